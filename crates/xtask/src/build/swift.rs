//! `bindings/swift`: sources that uniffi generates, and the compilers that check them.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{kotlin, place};
use crate::repo::{PROFILE, Repo};
use crate::run::{ask, run};

const PACKAGE: &str = "bindings/swift";

/// What the generated module must offer; `uniffi.toml` says why it is no `Stream`.
const CLASSES: [&str; 7] = [
    "BudgetStream",
    "CyclesCore",
    "Guard",
    "ManualClock",
    "NotificationQueue",
    "Parent",
    "TestServer",
];

/// Writes the sources where the package file looks for them.
pub(crate) fn generate(repo: &Repo) -> Result<()> {
    let generated = repo.target.join("swift");
    let _ = std::fs::remove_dir_all(&generated);
    run(&mut kotlin::bindgen(repo, "swift", &generated))?;
    for (from, folder, to) in [
        ("Runcycles.swift", "Runcycles", "Runcycles.swift"),
        ("RuncyclesFFI.h", "RuncyclesFFI", "RuncyclesFFI.h"),
        ("RuncyclesFFI.modulemap", "RuncyclesFFI", "module.modulemap"),
    ] {
        let folder = repo.path(PACKAGE).join("Sources").join(folder);
        std::fs::create_dir_all(&folder)?;
        place(&generated.join(from), &folder.join(to))?;
    }
    let source = std::fs::read_to_string(generated.join("Runcycles.swift"))
        .context("uniffi wrote no Swift")?;
    for class in CLASSES {
        ensure!(source.contains(&format!("open class {class}:")), "the module has no {class}");
    }
    Ok(())
}

/// Whether the header that Swift imports is C.
pub(crate) fn check_header(repo: &Repo) -> Result<()> {
    let header = repo.path(PACKAGE).join("Sources/RuncyclesFFI/RuncyclesFFI.h");
    // Words that only clang knows, and that mean nothing to C.
    let mut command = Command::new("cc");
    command.args(["-D_Nonnull=", "-D_Nullable=", "-std=c11", "-fsyntax-only", "-x", "c"]);
    run(command.arg(header))
}

/// What to install before the package can be compiled here.
pub(crate) fn missing() -> Option<&'static str> {
    let found = ask("swift", &["--version"]).is_some();
    (!found).then_some("install Swift 5.9 or newer (swift.org/install)")
}

/// Compiles the package.
pub(crate) fn compile(repo: &Repo) -> Result<()> {
    let mut command = Command::new("swift");
    command.args(["build", "--package-path", PACKAGE, "--scratch-path"]);
    command.arg(repo.target.join("swift-build"));
    command.arg("-Xlinker").arg(format!("-L{}", repo.target.join(PROFILE).display()));
    run(command.current_dir(&repo.root))
}
