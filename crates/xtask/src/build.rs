//! Everything is built once, by one `cargo build`; then each language's package
//! gets its native library (`docs/adr/0003`).

pub(crate) mod c;
pub(crate) mod go;
pub(crate) mod jdk;
pub(crate) mod kotlin;
pub(crate) mod node;
pub(crate) mod python;
pub(crate) mod ruby;
pub(crate) mod spring;
pub(crate) mod swift;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::language::Language;
use crate::repo::{PROFILE, Repo, cargo};
use crate::run::run as run_command;

/// Builds for every language, or for those that are named.
pub(crate) fn run(repo: &Repo, languages: &[Language]) -> Result<bool> {
    let languages = Language::present(languages)?;
    workspace(repo)?;
    for &language in &languages {
        package(repo, language)?;
    }
    if languages.contains(&Language::Kotlin) {
        spring::build(repo)?;
    }
    Ok(true)
}

/// Builds all crates and bindings.
pub(crate) fn workspace(repo: &Repo) -> Result<()> {
    run_command(cargo_in(repo, "build").args(EVERYTHING).args(["--lib", "--bins", "--examples"]))
}

/// What every cargo call says, so that all of them find the same things built. The
/// examples belong to it: only with them, or with tests, does cargo unify features
/// with those of `dev-dependencies`, as `cargo test` will (`docs/adr/0003`).
/// The features are the bindings generator and the contract's validator in test
/// servers, which packages leave out (`docs/adr/0004`), and the blocking client.
pub(crate) const EVERYTHING: [&str; 6] = [
    "--workspace",
    "--locked",
    "--profile",
    PROFILE,
    "--features",
    "runcycles-uniffi/cli,cycles-testkit/contract,runcycles/blocking",
];

/// What one feature adds that no package has: OpenTelemetry, with its own test.
pub(crate) const OTEL: [&str; 9] = [
    "--package",
    "runcycles",
    "--locked",
    "--profile",
    PROFILE,
    "--features",
    "otel",
    "--test",
    "otel",
];

/// How to start the program of `examples/FOLDER` that is written in `language`,
/// whose file is called `file`.
pub(crate) fn program(
    repo: &Repo,
    folder: &str,
    file: &str,
    language: Language,
) -> Result<Command> {
    let folder = format!("examples/{folder}/{language}");
    let script = |interpreter: Command, ending: &str| {
        let mut command = interpreter;
        command.arg(repo.path(format!("{folder}/{file}.{ending}")));
        command
    };
    Ok(match language {
        Language::Rust => example(repo, file),
        Language::Python => script(python::interpreter(repo), "py"),
        Language::Node => script(Command::new("node"), "mjs"),
        Language::Kotlin => kotlin::start(repo, &folder)?,
        Language::Go => go::example(repo, &folder)?,
        Language::Ruby => script(ruby::ruby(repo), "rb"),
    })
}

/// An example of the workspace, ready to start.
pub(crate) fn example(repo: &Repo, name: &str) -> Command {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    Command::new(repo.artifact("examples").join(file))
}

/// Makes one language's package usable from the working copy.
pub(crate) fn package(repo: &Repo, language: Language) -> Result<()> {
    if repo.packaged.borrow().contains(&language) {
        return Ok(());
    }
    match language {
        Language::Rust => {}
        Language::Python => python::build(repo)?,
        Language::Node => node::build(repo)?,
        Language::Kotlin => kotlin::build(repo)?,
        Language::Go => go::build(repo)?,
        Language::Ruby => ruby::build(repo)?,
    }
    repo.packaged.borrow_mut().push(language);
    Ok(())
}

/// `cargo SUBCOMMAND`, in the working copy.
pub(crate) fn cargo_in(repo: &Repo, subcommand: &str) -> Command {
    let mut command = Command::new(cargo());
    command.arg(subcommand).current_dir(&repo.root);
    if Language::Python.missing().is_some() {
        // Its module still belongs to the workspace, and the stable ABI can do without.
        command.env("PYO3_NO_PYTHON", "1").env("PYO3_BUILD_EXTENSION_MODULE", "1");
    }
    command
}

/// The file name of a library of the workspace on this platform.
pub(crate) fn library(name: &str) -> String {
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// Puts `from` in the place of `to`, in one step: a process may have `to` loaded.
fn place(from: &Path, to: &Path) -> Result<()> {
    let beside = to.with_extension("new");
    std::fs::copy(from, &beside).with_context(|| format!("cannot copy {}", from.display()))?;
    std::fs::rename(&beside, to).with_context(|| format!("cannot write {}", to.display()))
}

/// Whether the stamp file says `content`.
fn stamped(stamp: &Path, content: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|text| text == content)
}

fn write_stamp(stamp: &Path, content: &str) -> Result<()> {
    std::fs::write(stamp, content).with_context(|| format!("cannot write {}", stamp.display()))
}
