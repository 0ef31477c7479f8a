//! `node/`: npm packages, the addon beside the package, and TypeScript.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{library, place, stamped, write_stamp};
use crate::repo::Repo;
use crate::run::run;

/// Makes `runcycles` importable in `node/` and from every example.
pub(crate) fn build(repo: &Repo) -> Result<()> {
    install(repo)?;
    let addon = format!("node/runcycles.{}.node", platform());
    place(&repo.artifact(&library("runcycles_node")), &repo.path(addon))?;
    run(npm(repo).args(["run", "--silent", "build"]))?;
    link(&repo.path("examples"))
}

/// Installs what the lock file names, where that has changed.
pub(crate) fn install(repo: &Repo) -> Result<()> {
    let lock = repo.read("node/package-lock.json")?;
    let stamp = repo.path("node/node_modules/.xtask-lock");
    if stamped(&stamp, &lock) {
        return Ok(());
    }
    // The addon is there in a moment, out of the one build.
    run(npm(repo).args(["ci", "--ignore-scripts"]))?;
    write_stamp(&stamp, &lock)
}

/// `npm`, in `node/`.
pub(crate) fn npm(repo: &Repo) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(repo.path("node"));
    command
}

/// napi's name for this platform.
fn platform() -> &'static str {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", "aarch64") => "darwin-arm64",
        ("macos", _) => "darwin-x64",
        ("windows", _) => "win32-x64-msvc",
        (_, "aarch64") => "linux-arm64-gnu",
        _ => "linux-x64-gnu",
    }
}

/// Lets `import 'runcycles'` find the working copy from `folder` and below.
fn link(folder: &Path) -> Result<()> {
    let modules = folder.join("node_modules");
    std::fs::create_dir_all(&modules)?;
    let link = modules.join("runcycles");
    if link.exists() {
        return Ok(());
    }
    // A link to a working copy that has moved is still there, but leads nowhere.
    let _ = std::fs::remove_file(&link);
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink("../../node", &link);
    #[cfg(windows)]
    let made = std::os::windows::fs::symlink_dir("..\\..\\node", &link);
    made.with_context(|| format!("cannot link {}", link.display()))
}
