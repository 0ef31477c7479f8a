//! `bindings/ruby`: the shared library where the package looks for it, and the gem.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{library, place};
use crate::repo::Repo;
use crate::run::{ask, run};

const PACKAGE: &str = "bindings/ruby";

/// What the linter looks at.
const LINTED: [&str; 2] = [PACKAGE, "examples"];

/// Puts the library into the package.
pub(crate) fn build(repo: &Repo) -> Result<()> {
    let name = library("cycles");
    place(&repo.artifact(&name), &repo.path(PACKAGE).join("lib/runcycles").join(name))
}

/// `ruby`, which finds the package.
pub(crate) fn ruby(repo: &Repo) -> Command {
    let mut command = Command::new("ruby");
    command.arg("-w").arg("-I").arg(repo.path(PACKAGE).join("lib")).current_dir(repo.path(PACKAGE));
    command
}

/// Builds the gem of this platform, and installs it into a folder of its own; answers
/// a `ruby` that has it from there.
pub(crate) fn installed(repo: &Repo) -> Result<Command> {
    let folder = repo.target.join("ruby-gem");
    let _ = std::fs::remove_dir_all(&folder);
    let source = folder.join("source");
    copy(&repo.path(PACKAGE).join("lib"), &source.join("lib"))?;
    for (from, to) in [
        ("LICENSE", "LICENSE"),
        ("bindings/ruby/README.md", "README.md"),
        ("bindings/ruby/runcycles.gemspec", "runcycles.gemspec"),
    ] {
        std::fs::copy(repo.path(from), source.join(to)).with_context(|| format!("no {from}"))?;
    }
    let gem = folder.join("runcycles.gem");
    let build = ["build", "--strict", "runcycles.gemspec", "--output"];
    run(Command::new("gem").args(build).arg(&gem).current_dir(&source))?;
    let home = folder.join("home");
    // What it depends on is the system's.
    let install = ["install", "--local", "--no-document", "--ignore-dependencies", "--install-dir"];
    run(Command::new("gem").args(install).arg(&home).arg(&gem))?;
    let mut command = Command::new("ruby");
    let usual = ask("gem", &["environment", "gempath"]).context("gem does not say its path")?;
    command.env("GEM_PATH", format!("{}:{usual}", home.display()));
    command.env("GEM_HOME", &home).current_dir(&folder);
    Ok(command)
}

/// What to install before Ruby can be linted here.
pub(crate) fn linter_missing() -> Option<&'static str> {
    let found = ask("rubocop", &["--version"]).is_some();
    (!found).then_some("install rubocop 1.39 or newer (Debian: rubocop)")
}

/// Checks the package, its tests and the examples.
pub(crate) fn lint(repo: &Repo) -> Result<()> {
    let mut command = Command::new("rubocop");
    command.args(["--cache", "false", "--format", "simple", "--config"]);
    run(command.arg(".rubocop.yml").args(LINTED).current_dir(&repo.root))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (path, name): (PathBuf, _) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
