//! Programs in C, linked with the static library.

use std::process::Command;

use anyhow::Result;

use crate::repo::Repo;
use crate::run::run;

/// Compiles one file of the working copy.
pub(crate) fn program(repo: &Repo, source: &str) -> Result<Command> {
    let folder = repo.artifact("c");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join(source.replace('/', "-").trim_end_matches(".c"));
    let mut compiler = Command::new("cc");
    compiler.args([
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Ibindings/c/include",
        source,
    ]);
    compiler.arg("-o").arg(&program).arg(repo.artifact("libcycles.a"));
    run(compiler.args(["-lpthread", "-ldl", "-lm"]).current_dir(&repo.root))?;
    Ok(Command::new(program))
}
