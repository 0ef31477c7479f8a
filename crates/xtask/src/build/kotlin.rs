//! `bindings/kotlin`: generated sources, then Maven.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;

use super::{library, spring};
use crate::repo::{PROFILE, Repo};
use crate::run::{Finished, run, run_and_keep};

const PACKAGE: &str = "bindings/kotlin";

/// Makes the package usable by other Maven builds on this machine.
pub(crate) fn build(repo: &Repo) -> Result<()> {
    let inputs = [
        repo.path("bindings/kotlin/src"),
        repo.path("bindings/kotlin/pom.xml"),
        repo.artifact(&library("runcycles_uniffi")),
    ];
    if !fresh(&installed(repo), &inputs) {
        generate(repo)?;
        run(maven(repo, PACKAGE).args(["-q", "install", "-DskipTests"]))?;
        std::fs::write(installed(repo), "")?;
    }
    Ok(())
}

/// [`build`], running the tests on the way: Maven compiles only once so.
pub(crate) fn install_with_tests(repo: &Repo) -> Result<Finished> {
    generate(repo)?;
    let finished = run_and_keep(maven(repo, PACKAGE).arg("install"))?;
    if finished.success {
        std::fs::write(installed(repo), "")?;
    }
    Ok(finished)
}

/// Made whenever the package has been installed.
fn installed(repo: &Repo) -> PathBuf {
    repo.path("bindings/kotlin/target/xtask-installed")
}

/// How to start a Maven project that uses the package; it is built where needed.
pub(crate) fn start(repo: &Repo, project: &str) -> Result<Command> {
    let mut command = Command::new("java");
    command.arg("-jar").arg(example(repo, project)?);
    Ok(command)
}

/// Builds a Maven project that uses the package; answers its jar, which starts.
fn example(repo: &Repo, project: &str) -> Result<PathBuf> {
    let target = repo.path(project).join("target");
    let stamp = target.join("xtask-packaged");
    let own = [repo.path(project).join("src"), repo.path(project).join("pom.xml"), installed(repo)];
    let inputs: Vec<_> = own.into_iter().chain(spring::installed(repo)).collect();
    if !fresh(&stamp, &inputs) {
        run(maven(repo, project).args(["-q", "package"]))?;
        std::fs::write(&stamp, "")?;
    }
    let name = repo.path(project).join("pom.xml");
    let pom = std::fs::read_to_string(name)?;
    let jar = pom.split("<finalName>").nth(1).and_then(|rest| rest.split('<').next());
    let jar = jar.ok_or_else(|| anyhow::anyhow!("{project}/pom.xml has no finalName"))?;
    Ok(target.join(format!("{jar}.jar")))
}

/// Writes the Kotlin that talks to the native library.
pub(crate) fn generate(repo: &Repo) -> Result<()> {
    let out = repo.path("bindings/kotlin/target/generated-sources/uniffi");
    run(&mut bindgen(repo, "kotlin", &out))
}

/// The generator of the library's own version, for `language`, into `out`.
pub(super) fn bindgen(repo: &Repo, language: &str, out: &Path) -> Command {
    let name = format!("uniffi-bindgen{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(repo.artifact(&name));
    command.arg("generate").arg(repo.artifact(&library("runcycles_uniffi")));
    command.args(["--language", language, "--no-format", "--out-dir"]).arg(out);
    command.current_dir(&repo.root);
    command
}

/// `mvn`, in one project of the working copy.
pub(crate) fn maven(repo: &Repo, project: &str) -> Command {
    let mut command = Command::new(if cfg!(windows) { "mvn.cmd" } else { "mvn" });
    let libraries = repo.target.join(PROFILE);
    command
        .args(["--batch-mode", "--no-transfer-progress"])
        .arg(format!("-Djna.library.path={}", libraries.display()))
        .current_dir(repo.path(project));
    command
}

/// Whether `output` is newer than everything it is made from.
fn fresh(output: &Path, inputs: &[PathBuf]) -> bool {
    let Ok(made) = output.metadata().and_then(|file| file.modified()) else { return false };
    inputs.iter().all(|input| newest(input).is_some_and(|changed| changed <= made))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let metadata = path.metadata().ok()?;
    let own = metadata.modified().ok()?;
    if !metadata.is_dir() {
        return Some(own);
    }
    let inner = std::fs::read_dir(path).ok()?.flatten().filter_map(|entry| newest(&entry.path()));
    inner.chain([own]).max()
}
