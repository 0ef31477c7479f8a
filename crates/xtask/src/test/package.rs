//! The Python package as users get it: from its wheel, and from its sdist.
//!
//! Both are built with the profile of everything else and in its target
//! directory, so that only our own crates are built again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::build::python;
use crate::count::{self, Count};
use crate::repo::{PROFILE, Repo};
use crate::run::{run, run_and_keep};

/// What the wheel of the profile `ci`, which has symbols and no LTO, may be at most. The
/// release's own has another limit, which its workflow checks.
const MAX_WHEEL_BYTES: u64 = 9_000_000;

/// Of the installed sdist; the wheel runs everything.
const SDIST_TESTS: [&str; 3] =
    ["tests/test_scenarios.py", "tests/test_models.py", "tests/test_exit.py"];

/// Builds, checks and installs both, and runs the tests against what is installed.
pub(super) fn count(repo: &Repo) -> Result<(Count, bool)> {
    python::environment(repo)?;
    let dist = repo.target.join("python-dist");
    let _ = std::fs::remove_dir_all(&dist);
    let wheel = built(repo, &dist.join("wheel"), &["build"])?;
    check(&wheel)?;
    let mut counted = tested(repo, &wheel, &["tests"])?;
    let sdist = built(repo, &dist.join("sdist"), &["sdist"])?;
    let (more, success) = tested(repo, &sdist, &SDIST_TESTS)?;
    counted = (counted.0.plus(more), counted.1 && success);
    Ok(counted)
}

/// The one file that maturin leaves behind.
fn built(repo: &Repo, out: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let mut maturin = Command::new(python::program(repo, "maturin"));
    maturin.args(arguments).arg("--out").arg(out).current_dir(repo.path("python"));
    if arguments == ["build"] {
        maturin.args(["--locked", "--profile", PROFILE, "--auditwheel", "check", "--interpreter"]);
        maturin.arg(python::program(repo, "python"));
    }
    run(maturin.env("CARGO_TARGET_DIR", &repo.target))?;
    let entry = std::fs::read_dir(out)?.next().context("maturin built nothing")??;
    Ok(entry.path())
}

/// Size, stable ABI, and a tag that pip takes on other distributions.
fn check(wheel: &Path) -> Result<()> {
    let name = wheel.file_name().context("no name")?.to_string_lossy().into_owned();
    let bytes = wheel.metadata()?.len();
    println!("{name}: {bytes} bytes");
    ensure!(bytes <= MAX_WHEEL_BYTES, "the wheel has more than {MAX_WHEEL_BYTES} bytes");
    ensure!(name.contains("-cp310-abi3-"), "the wheel is not for every CPython from 3.10 on");
    let tagged = !cfg!(target_os = "linux") || name.contains("manylinux");
    ensure!(tagged, "maturin found no manylinux tag that fits");
    Ok(())
}

/// Installs `package` into an environment of its own and runs `tests` there, from
/// a folder that has the tests and not the package.
fn tested(repo: &Repo, package: &Path, tests: &[&str]) -> Result<(Count, bool)> {
    let folder = package.parent().context("no folder")?.join("installed");
    let programs = folder.join("venv").join(if cfg!(windows) { "Scripts" } else { "bin" });
    run(Command::new(python::program(repo, "python"))
        .args(["-m", "venv"])
        .arg(folder.join("venv")))?;
    let pip = |arguments: &[&str]| {
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(arguments);
        // What the sdist's own build takes, so that it shares everything that is not ours.
        pip.env("CARGO_TARGET_DIR", &repo.target);
        // Not `--locked`: the sdist's lock file loses what its crates do not need.
        pip.env("MATURIN_PEP517_ARGS", format!("--profile {PROFILE}"));
        pip
    };
    run(&mut pip(&["pytest>=8", "pytest-asyncio>=0.24", "pyyaml>=6", "uvloop>=0.21"]))?;
    // A wheel that pip kept from an earlier build of the same sdist would be tested instead.
    run(pip(&["--no-cache-dir"]).arg(package))?;
    let copied = folder.join("python");
    copy(&repo.path("python/tests"), &copied.join("tests"))?;
    copy(&repo.path("tests/scenarios"), &folder.join("tests/scenarios"))?;
    std::fs::copy(repo.path("tests/parity.toml"), folder.join("tests/parity.toml"))?;
    std::fs::copy(repo.path("python/pyproject.toml"), copied.join("pyproject.toml"))?;
    let report = folder.join("pytest.xml");
    let finished = run_and_keep(
        Command::new(programs.join("python"))
            .args(["-m", "pytest", "--quiet", "-o", "pythonpath=tests", "--junitxml"])
            .arg(&report)
            .args(tests)
            .current_dir(&copied)
            .env_remove("PYTHONPATH"),
    )?;
    Ok((count::junit(&report)?, finished.success))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
