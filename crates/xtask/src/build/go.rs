//! `bindings/go`: the static library where cgo finds it, and programs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::place;
use crate::repo::Repo;
use crate::run::run;

const PACKAGE: &str = "bindings/go";

/// Puts the library where no other one is: the linker prefers a shared one.
pub(crate) fn build(repo: &Repo) -> Result<()> {
    let folder = folder(repo);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    place(&repo.artifact("libcycles.a"), &folder.join("libcycles.a"))
}

fn folder(repo: &Repo) -> PathBuf {
    repo.artifact("go")
}

/// `go`, in the package.
pub(crate) fn go(repo: &Repo) -> Command {
    go_in(repo, PACKAGE)
}

fn go_in(repo: &Repo, project: &str) -> Command {
    let mut command = Command::new("go");
    command.current_dir(repo.path(project)).env("CGO_ENABLED", "1");
    command.env("CGO_LDFLAGS", format!("-L{}", folder(repo).display()));
    command
}

/// Builds the program in a folder of `examples/`.
pub(crate) fn example(repo: &Repo, project: &str) -> Result<Command> {
    let name = project.replace('/', "-");
    let program = folder(repo).join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let package = format!("./{}", project.trim_start_matches("examples/"));
    run(go_in(repo, "examples").args(["build", "-o"]).arg(&program).arg(package))?;
    Ok(Command::new(program))
}
