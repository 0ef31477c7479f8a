//! `bindings/spring`: Maven, on top of `bindings/kotlin`.

use std::path::PathBuf;

use anyhow::Result;

use super::kotlin::maven;
use crate::repo::Repo;
use crate::run::{Finished, run, run_and_keep};

const PACKAGE: &str = "bindings/spring";

/// Makes the package usable by other Maven builds on this machine.
pub(crate) fn build(repo: &Repo) -> Result<()> {
    run(maven(repo, PACKAGE).args(["-q", "install", "-DskipTests"]))?;
    Ok(std::fs::write(stamp(repo), "")?)
}

/// [`build`], running the tests on the way.
pub(crate) fn install_with_tests(repo: &Repo) -> Result<Finished> {
    let finished = run_and_keep(maven(repo, PACKAGE).arg("install"))?;
    if finished.success {
        std::fs::write(stamp(repo), "")?;
    }
    Ok(finished)
}

/// Made whenever the package has been installed; `None` before.
pub(crate) fn installed(repo: &Repo) -> Option<PathBuf> {
    Some(stamp(repo)).filter(|stamp| stamp.exists())
}

fn stamp(repo: &Repo) -> PathBuf {
    repo.path("bindings/spring/target/xtask-installed")
}
