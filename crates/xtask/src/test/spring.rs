//! `bindings/spring`: its tests, and the application that its README shows.

use anyhow::Result;

use crate::build::{self, kotlin, spring};
use crate::count::{self, Count};
use crate::language::Language;
use crate::repo::Repo;
use crate::run::run_and_keep;

const EXAMPLE: &str = "examples/spring_boot/java";
/// What the example prints last.
const EXPECTED: &str = "denied before the model was called";

/// How many tests ran, the example being one, and whether the runners were content.
pub(super) fn count(repo: &Repo) -> Result<(Count, bool)> {
    build::package(repo, Language::Kotlin)?;
    let reports = repo.path("bindings/spring/target/surefire-reports");
    let _ = std::fs::remove_dir_all(&reports);
    let finished = spring::install_with_tests(repo)?;
    let counted = count::junit(&reports)?;
    if !finished.success {
        return Ok((counted, false));
    }
    let example = run_and_keep(&mut kotlin::start(repo, EXAMPLE)?)?;
    let is_shown = example.success && example.stdout.trim_end().ends_with(EXPECTED);
    let one = Count { passed: is_shown.into(), failed: (!is_shown).into(), skipped: 0 };
    Ok((counted.plus(one), is_shown))
}
