//! Code written for the 0.3 API, with the registry's `runcycles` 0.3.2; the Rust
//! suite runs the same file with ours.

use std::process::Command;

use anyhow::Result;

use crate::build::cargo_in;
use crate::count::Count;
use crate::repo::{PROFILE, Repo};
use crate::run::{run, run_and_keep};

/// Builds the old crate in its own workspace, and runs the file once.
pub(super) fn count(repo: &Repo) -> Result<(Count, bool)> {
    run(cargo_in(repo, "build")
        .args(["--locked", "--profile", PROFILE, "--package", "compat-0-3", "--manifest-path"])
        .arg("benches/settlement/Cargo.toml")
        .env("CARGO_TARGET_DIR", &repo.target))?;
    let program = |name: &str| repo.artifact(&format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let finished = run_and_keep(Command::new(program("compat-0-3")).arg(program("cycles")))?;
    let failed = u32::from(!finished.success);
    Ok((Count { passed: 1 - failed, failed, skipped: 0 }, finished.success))
}
