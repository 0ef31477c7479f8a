//! `cargo xtask size`: what users would download, as far as it is built.

use std::path::PathBuf;

use crate::build::library;
use crate::repo::Repo;

/// Prints the size of every artifact that is there.
pub(crate) fn run(repo: &Repo) -> bool {
    let program = format!("cycles{}", std::env::consts::EXE_SUFFIX);
    let mut found = false;
    for profile in ["ci", "release"] {
        let folder = repo.target.join(profile);
        let artifacts = [
            ("program", folder.join(&program)),
            ("Python module", folder.join(library("_native"))),
            ("Node addon", folder.join(library("runcycles_node"))),
            ("JVM library", folder.join(library("runcycles_uniffi"))),
        ];
        for (what, path) in artifacts {
            found |= print(profile, what, &path);
        }
    }
    for wheel in wheels(repo) {
        found |= print("wheel", "Python wheel", &wheel);
    }
    if !found {
        println!("nothing is built yet; run `cargo xtask build`");
    }
    found
}

fn wheels(repo: &Repo) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repo.target.join("wheels")).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "whl"))
        .collect()
}

fn print(profile: &str, what: &str, path: &std::path::Path) -> bool {
    let Ok(file) = path.metadata() else { return false };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hundredths = file.len() / 10_000;
    println!("{profile:8} {what:14} {:4}.{:02} MB  {name}", hundredths / 100, hundredths % 100);
    true
}
