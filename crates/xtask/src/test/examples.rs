//! The Python examples. Those with an event loop run again and again: an interpreter
//! that ends while threads are at work must end well every time.

use anyhow::{Result, bail, ensure};

use crate::build::{self, python};
use crate::language::Language;
use crate::repo::Repo;
use crate::run::run_and_keep;

/// How often an example with an event loop runs.
pub(crate) const IN_CI: u32 = 10;
/// The same, where nobody waits.
pub(crate) const IN_SOAK: u32 = 200;

/// Program, last line, and whether it has an event loop.
const PROGRAMS: [(&str, &str, bool); 5] = [
    ("decorator/python/decorator.py", "spent 38500000 microcents", false),
    ("async_calls/python/async_calls.py", "50 ran, 50 were denied", true),
    ("async_calls/python/left_behind.py", "left 50 calls behind", true),
    ("streaming/python/streaming.py", "cut: false, used 34000", true),
    ("web_service/python/service.py", "402 BUDGET_EXCEEDED", true),
];

/// Runs all of them, those with an event loop `times` times.
pub(crate) fn run(repo: &Repo, times: u32) -> Result<bool> {
    build::package(repo, Language::Python)?;
    for (program, expected, has_loop) in PROGRAMS {
        for _ in 0..if has_loop { times } else { 1 } {
            let mut command = python::interpreter(repo);
            let file = repo.path("examples").join(program);
            let finished = run_and_keep(command.args(["-X", "faulthandler"]).arg(file))?;
            ensure!(finished.success, "examples/{program} failed");
            let last = finished.stdout.trim_end().lines().last().unwrap_or_default();
            if last != expected {
                bail!("examples/{program}: expected {expected:?}, not {last:?}");
            }
        }
    }
    let tests = ["-m", "pytest", "-q", "-p", "runcycles.pytest_plugin", "-p", "no:cacheprovider"];
    let folder = repo.path("examples/testing/python");
    let finished = run_and_keep(
        python::interpreter(repo).args(tests).arg("-p").arg("no:asyncio").arg(folder),
    )?;
    ensure!(finished.success, "examples/testing/python failed");
    Ok(true)
}
