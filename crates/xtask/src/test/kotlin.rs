//! `bindings/kotlin`: its tests, once for each way into the native library.

use std::path::PathBuf;

use anyhow::Result;

use super::row;
use crate::build::{jdk, kotlin};
use crate::count::{self, Count};
use crate::repo::Repo;
use crate::report::Report;
use crate::run::run_and_keep;

const ON_FFM: &str = "kotlin on FFM";

/// Builds and installs the package; its tests use JNA.
pub(super) fn on_jna(repo: &Repo) -> Result<(Count, bool)> {
    let reports = emptied(repo, "surefire-reports");
    let finished = kotlin::install_with_tests(repo)?;
    Ok((count::junit(&reports)?, finished.success))
}

/// The same tests of what [`on_jna`] built, by the foreign function interface. A missing JDK of 22
/// or later is no failure, also not in CI: distributions are behind.
pub(super) fn on_ffm(repo: &Repo, report: &mut Report) {
    if jdk::with_ffm().is_none() {
        return report.skip(ON_FFM, jdk::MISSING, false);
    }
    report.add(row(ON_FFM, || {
        let reports = emptied(repo, "surefire-reports-ffm");
        let finished = run_and_keep(kotlin::package(repo).arg("surefire:test@ffm"))?;
        Ok((count::junit(&reports)?, finished.success))
    }));
}

fn emptied(repo: &Repo, reports: &str) -> PathBuf {
    let folder = repo.path("bindings/kotlin/target").join(reports);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
