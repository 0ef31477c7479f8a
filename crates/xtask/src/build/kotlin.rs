//! `bindings/kotlin`: generated sources, then Maven.
//!
//! The jar has two ways into the native library (`docs/adr/0011`). The one on FFM is built
//! where a JDK of 22 or later is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

use super::{jdk, library, spring};
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
        run(package(repo).args(["-q", "install", "-DskipTests"]))?;
        std::fs::write(installed(repo), "")?;
    }
    Ok(())
}

/// [`build`], running the tests on the way: Maven compiles only once so.
pub(crate) fn install_with_tests(repo: &Repo) -> Result<Finished> {
    generate(repo)?;
    let finished = run_and_keep(package(repo).arg("install"))?;
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
    start_on(Path::new("java"), repo, project)
}

/// [`start`], with another JVM than the usual one.
pub(crate) fn start_on(java: &Path, repo: &Repo, project: &str) -> Result<Command> {
    let mut command = Command::new(java);
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

/// Writes the Kotlin that talks to the native library by JNA, and the Java that does by FFM.
pub(crate) fn generate(repo: &Repo) -> Result<()> {
    let sources = repo.path("bindings/kotlin/target/generated-sources");
    run(&mut bindgen(repo, "kotlin", &sources.join("uniffi")))?;
    let ffm = sources.join("ffm");
    run(generator(repo, "uniffi-bindgen-java").args(["--no-format", "--out-dir"]).arg(&ffm))?;
    let package = ffm.join("dev/runcycles/ffm");
    AMENDMENTS.iter().try_for_each(|[file, from, to]| amend(&package.join(file), from, to))
}

/// What the generated Java must do differently: file, text, and what stands there instead.
const AMENDMENTS: [[&str; 3]; 2] = [
    // It would never be freed, and there may be a thread for each request.
    [
        "UniffiHelpers.java",
        "Arena.global().allocate(UniffiRustCallStatus.LAYOUT)",
        "Arena.ofAuto().allocate(UniffiRustCallStatus.LAYOUT)",
    ],
    // The library is in the jar, and no folder of `java.library.path` has it.
    ["NamespaceLibrary.java", "System.loadLibrary(name)", "dev.runcycles.NativeLibrary.load(name)"],
];

fn amend(file: &Path, from: &str, to: &str) -> Result<()> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let found = text.matches(from).count();
    ensure!(found == 1, "{} has {from:?} {found} times; the generator changed", file.display());
    std::fs::write(file, text.replace(from, to))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The generator of the library's own version, for `language`, into `out`.
pub(super) fn bindgen(repo: &Repo, language: &str, out: &Path) -> Command {
    let mut command = generator(repo, "uniffi-bindgen");
    command.args(["--language", language, "--no-format", "--out-dir"]).arg(out);
    command
}

/// The program `name` of `bindings/uniffi`, reading the library.
fn generator(repo: &Repo, name: &str) -> Command {
    let mut command =
        Command::new(repo.artifact(&format!("{name}{}", std::env::consts::EXE_SUFFIX)));
    command.arg("generate").arg(repo.artifact(&library("runcycles_uniffi")));
    command.current_dir(&repo.root);
    command
}

/// `mvn`, in the package: with both ways into the library where a JDK for both is here. The tests
/// on JNA run in the JVM that is usual here.
pub(crate) fn package(repo: &Repo) -> Command {
    let mut command = maven(repo, PACKAGE);
    if let Some(home) = jdk::with_ffm() {
        command.arg("-Pffm").env("JAVA_HOME", home);
        command.args(jdk::usual().map(|java| format!("-Djna.jvm={}", java.display())));
    }
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
