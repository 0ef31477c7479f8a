//! `python/`: an environment for its tools, and the native module beside it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{library, place, stamped, write_stamp};
use crate::language;
use crate::repo::Repo;
use crate::run::run;

/// What tests, lints and examples need, besides the package itself.
const REQUIREMENTS: &str = include_str!("../../python-requirements.txt");

/// Makes `runcycles` importable for [`interpreter`].
pub(crate) fn build(repo: &Repo) -> Result<()> {
    environment(repo)?;
    place(&repo.artifact(&library("_native")), &repo.path("python/runcycles/_native.abi3.so"))
}

/// Creates the environment, where it is not there as the requirements want it.
pub(crate) fn environment(repo: &Repo) -> Result<()> {
    let stamp = folder(repo).join("xtask-requirements.txt");
    if stamped(&stamp, REQUIREMENTS) {
        return Ok(());
    }
    let python = language::python().context("Python is missing")?;
    run(Command::new(python).args(["-m", "venv"]).arg(folder(repo)))?;
    let list = repo.path("crates/xtask/python-requirements.txt");
    run(Command::new(program(repo, "python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(list))?;
    write_stamp(&stamp, REQUIREMENTS)
}

/// The environment's Python, seeing the package of the working copy.
pub(crate) fn interpreter(repo: &Repo) -> Command {
    let mut command = Command::new(program(repo, "python"));
    command.env("PYTHONPATH", repo.path("python")).env("PYTHONUNBUFFERED", "1");
    command
}

/// A program of the environment.
pub(crate) fn program(repo: &Repo, name: &str) -> PathBuf {
    folder(repo).join(if cfg!(windows) { "Scripts" } else { "bin" }).join(name)
}

fn folder(repo: &Repo) -> PathBuf {
    repo.target.join("venv")
}
