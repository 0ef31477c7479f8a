//! `cargo xtask lint`: formatters, linters, type checkers, and the rules that
//! only this repository has.

mod layers;
mod scenarios;
mod strings;
mod versions;

use std::process::Command;

use anyhow::{Result, ensure};

use crate::build::{self, cargo_in, go, kotlin, node, python, ruby};
use crate::language::Language;
use crate::readme;
use crate::repo::{Repo, in_ci};
use crate::report::{self, Report};
use crate::run::{run as run_command, run_and_keep};

/// Where Python sources are.
pub(crate) const PYTHON: [&str; 4] = ["python", "examples", "benches/python", "tests/compat_0_5"];

/// Runs every check, also after one has failed.
pub(crate) fn run(repo: &Repo) -> Report {
    let mut report = Report::default();
    for (name, rule) in RULES {
        report.check(name, || {
            let problems = rule(repo)?;
            Ok(report::none(&problems))
        });
    }
    report.check("cargo fmt", || ok(run_command(cargo_in(repo, "fmt").args(["--all", "--check"]))));
    // A workspace of its own, which `--all` does not reach.
    report.check("cargo fmt, fuzz", || {
        let fuzz = ["--check", "--manifest-path", "fuzz/Cargo.toml"];
        ok(run_command(cargo_in(repo, "fmt").args(fuzz)))
    });
    report.check("clippy", || {
        ok(run_command(cargo_in(repo, "clippy").args(build::EVERYTHING).args([
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])))
    });
    report.check("clippy, otel", || {
        let deny = ["--", "-D", "warnings"];
        ok(run_command(cargo_in(repo, "clippy").args(build::OTEL).arg("--lib").args(deny)))
    });
    match ruby::linter_missing() {
        Some(what) => report.skip("rubocop", what, in_ci()),
        None => report.check("rubocop", || ok(ruby::lint(repo))),
    }
    for (language, name, check) in LANGUAGES {
        match language.missing() {
            Some(what) => report.skip(name, what, in_ci()),
            None => report.check(name, || ok(check(repo))),
        }
    }
    report
}

type Rule = fn(&Repo) -> Result<Vec<String>>;
const RULES: [(&str, Rule); 5] = [
    ("layers", layers::check),
    ("machine paths and hosts", strings::check),
    ("scenarios and parity", scenarios::check),
    ("one version", versions::check),
    ("README blocks", readme::check),
];

type Check = fn(&Repo) -> Result<()>;
const LANGUAGES: [(Language, &str, Check); 5] = [
    (Language::Python, "ruff", ruff),
    (Language::Python, "mypy, pyright, stubs", python_types),
    (Language::Node, "tsc", tsc),
    (Language::Kotlin, "kotlin compiles", compile_kotlin),
    (Language::Go, "gofmt, go vet", vet_go),
];

fn ruff(repo: &Repo) -> Result<()> {
    python::environment(repo)?;
    let ruff = || {
        let mut command = Command::new(python::program(repo, "ruff"));
        command.current_dir(&repo.root);
        command
    };
    run_command(ruff().args(["format", "--check"]).args(PYTHON))?;
    run_command(ruff().arg("check").args(PYTHON))
}

/// The package, code that uses it, and whether the native module is as its stubs say.
fn python_types(repo: &Repo) -> Result<()> {
    build::workspace(repo)?;
    build::package(repo, Language::Python)?;
    let tool = |name: &str| {
        let mut command = Command::new(python::program(repo, name));
        let package = repo.path("python");
        command.current_dir(&package).env("MYPYPATH", &package).env("PYTHONPATH", &package);
        command
    };
    run_command(tool("mypy").args(["--strict", "-p", "runcycles"]))?;
    run_command(tool("mypy").args(["--strict", "tests/typed_use.py"]))?;
    let stubs = ["runcycles._native", "--ignore-disjoint-bases", "--mypy-config-file"];
    run_command(tool("stubtest").args(stubs).arg("pyproject.toml"))?;
    run_command(
        tool("pyright")
            .arg("--pythonpath")
            .arg(python::program(repo, "python"))
            .args(["runcycles", "tests/typed_use.py"]),
    )
}

fn tsc(repo: &Repo) -> Result<()> {
    node::install(repo)?;
    run_command(node::npm(repo).args(["run", "--silent", "build"]))?;
    run_command(node::npm(repo).args(["run", "--silent", "check-types"]))
}

fn compile_kotlin(repo: &Repo) -> Result<()> {
    build::workspace(repo)?;
    kotlin::generate(repo)?;
    run_command(kotlin::package(repo).args(["-q", "compile"]))
}

fn vet_go(repo: &Repo) -> Result<()> {
    let folders = ["bindings/go", "examples"];
    let unformatted =
        run_and_keep(Command::new("gofmt").arg("-l").args(folders).current_dir(&repo.root))?;
    ensure!(unformatted.stdout.trim().is_empty(), "run gofmt -w on {}", unformatted.stdout);
    build::workspace(repo)?;
    build::package(repo, Language::Go)?;
    run_command(go::go(repo).args(["vet", "./..."]))
}

fn ok(result: Result<()>) -> Result<bool> {
    result.map(|()| true)
}
