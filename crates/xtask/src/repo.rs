//! Where things are.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::language::Language;

/// The profile that everything is built with (`docs/adr/0003`).
pub(crate) const PROFILE: &str = "ci";

/// The working copy and its build directory.
pub(crate) struct Repo {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, wherever the environment put it.
    pub(crate) target: PathBuf,
    /// What `cargo metadata --no-deps` says of the workspace.
    pub(crate) metadata: Value,
    /// Languages whose packages this process has built already.
    pub(crate) packaged: RefCell<Vec<Language>>,
}

impl Repo {
    /// Finds the working copy that this program was started from.
    pub(crate) fn find() -> Result<Self> {
        // At run time, not compile time: clones may share one target directory.
        let manifest =
            std::env::var("CARGO_MANIFEST_DIR").context("start this program with `cargo xtask`")?;
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(&manifest)
            .output()
            .context("cannot run cargo metadata")?;
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let folder = |name: &str| {
            let path = metadata[name].as_str().with_context(|| format!("no {name} in metadata"))?;
            Ok::<_, anyhow::Error>(PathBuf::from(path))
        };
        Ok(Self {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
            metadata,
            packaged: RefCell::default(),
        })
    }

    /// A path inside the working copy.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// The text of a file inside the working copy.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        std::fs::read_to_string(self.path(relative))
            .with_context(|| format!("cannot read {relative}"))
    }

    /// A program or library that the workspace build leaves behind.
    pub(crate) fn artifact(&self, name: &str) -> PathBuf {
        self.target.join(PROFILE).join(name)
    }

    /// Files of the working copy that are, or are about to be, under version control.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("cannot run git")?;
        anyhow::ensure!(output.status.success(), "git ls-files failed");
        let mut files: Vec<String> = String::from_utf8(output.stdout)?
            .split_terminator('\0')
            .filter(|file| self.path(file).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Whether a missing toolchain is a failure instead of a skip.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}
