//! `cargo xtask fmt`: every formatter there is.

use std::process::Command;

use anyhow::Result;

use crate::build::{self, python};
use crate::language::Language;
use crate::lint::PYTHON;
use crate::repo::Repo;
use crate::run::run as run_command;

/// Formats all sources.
pub(crate) fn run(repo: &Repo) -> Result<bool> {
    run_command(build::cargo_in(repo, "fmt").arg("--all"))?;
    if let Some(what) = Language::Python.missing() {
        println!("SKIP python: {what}");
        return Ok(true);
    }
    python::environment(repo)?;
    let ruff = python::program(repo, "ruff");
    for arguments in [&["format"][..], &["check", "--fix"]] {
        run_command(Command::new(&ruff).args(arguments).args(PYTHON).current_dir(&repo.root))?;
    }
    Ok(true)
}
