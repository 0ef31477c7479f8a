//! `python/`: an environment for its tools, and the native module beside it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{library, place, stamped, write_stamp};
use crate::language;
use crate::repo::Repo;
use crate::run::run;

/// An environment of Python packages.
pub(crate) struct Environment {
    folder: &'static str,
    /// The file that says what is in it, and its text.
    list: &'static str,
    requirements: &'static str,
}

/// What tests, lints and examples need, besides the package itself.
const TOOLS: Environment = Environment {
    folder: "venv",
    list: "crates/xtask/python-requirements.txt",
    requirements: include_str!("../../python-requirements.txt"),
};

/// Schemathesis, which brings plugins for pytest that nobody else asked for.
pub(crate) const CONTRACT: Environment = Environment {
    folder: "venv-contract",
    list: "crates/xtask/contract-requirements.txt",
    requirements: include_str!("../../contract-requirements.txt"),
};

/// The package that users have today.
pub(crate) const COMPAT: Environment = Environment {
    folder: "venv-compat-0-5",
    list: "crates/xtask/compat-requirements.txt",
    requirements: include_str!("../../compat-requirements.txt"),
};

impl Environment {
    /// Creates it, where it is not there as its requirements want it.
    pub(crate) fn ensure(&self, repo: &Repo) -> Result<()> {
        let folder = repo.target.join(self.folder);
        let stamp = folder.join("xtask-requirements.txt");
        if stamped(&stamp, self.requirements) {
            return Ok(());
        }
        let python = language::python().context("Python is missing")?;
        run(Command::new(python).args(["-m", "venv"]).arg(folder))?;
        run(Command::new(self.program(repo, "python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(repo.path(self.list)))?;
        write_stamp(&stamp, self.requirements)
    }

    /// A program of the environment.
    pub(crate) fn program(&self, repo: &Repo, name: &str) -> PathBuf {
        let programs = if cfg!(windows) { "Scripts" } else { "bin" };
        repo.target.join(self.folder).join(programs).join(name)
    }
}

/// Makes `runcycles` importable for [`interpreter`].
pub(crate) fn build(repo: &Repo) -> Result<()> {
    environment(repo)?;
    place(&repo.artifact(&library("_native")), &repo.path("python/runcycles/_native.abi3.so"))
}

/// Creates the environment of the package's tools.
pub(crate) fn environment(repo: &Repo) -> Result<()> {
    TOOLS.ensure(repo)
}

/// The environment's Python, seeing the package of the working copy.
pub(crate) fn interpreter(repo: &Repo) -> Command {
    let mut command = Command::new(program(repo, "python"));
    command.env("PYTHONPATH", repo.path("python")).env("PYTHONUNBUFFERED", "1");
    command
}

/// A program of the environment.
pub(crate) fn program(repo: &Repo, name: &str) -> PathBuf {
    TOOLS.program(repo, name)
}
