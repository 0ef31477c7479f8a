//! `cargo xtask size`: what users would download, as far as it is built, and how much
//! code each language has of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::build::library;
use crate::repo::Repo;

/// Prints the size of every artifact that is there, and the lines of every package.
pub(crate) fn run(repo: &Repo) -> Result<bool> {
    let program = format!("cycles{}", std::env::consts::EXE_SUFFIX);
    let mut found = false;
    println!("profile  what                built   stripped  file");
    for profile in ["ci", "release"] {
        let folder = repo.target.join(profile);
        let artifacts = [
            ("program", folder.join(&program)),
            ("Python module", folder.join(library("_native"))),
            ("Node addon", folder.join(library("runcycles_node"))),
            ("JVM library", folder.join(library("runcycles_uniffi"))),
            ("C, Ruby library", folder.join(library("cycles"))),
            ("Go quickstart", folder.join("go/examples-quickstart-go")),
        ];
        for (what, path) in artifacts {
            found |= print(repo, profile, what, &path);
        }
    }
    for wheel in wheels(repo) {
        found |= print(repo, "wheel", "Python wheel", &wheel);
    }
    found |= print(repo, "gem", "Ruby gem", &repo.target.join("ruby-gem/runcycles.gem"));
    if !found {
        println!("nothing is built yet; run `cargo xtask build`");
    }
    lines(repo)?;
    Ok(found)
}

fn wheels(repo: &Repo) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repo.target.join("wheels")).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "whl"))
        .collect()
}

fn print(repo: &Repo, profile: &str, what: &str, path: &Path) -> bool {
    let Ok(file) = path.metadata() else { return false };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stripped = stripped(repo, path).map_or("-".to_owned(), megabytes);
    println!("{profile:8} {what:15} {:>9}  {stripped:>9}  {name}", megabytes(file.len()));
    true
}

/// The size without symbols; `None` where it has none, or no `strip` is here.
fn stripped(repo: &Repo, path: &Path) -> Option<u64> {
    let copy = repo.target.join("xtask-stripped");
    let output = Command::new("strip").arg("-o").arg(&copy).arg(path).output().ok()?;
    let size = copy.metadata().ok().map(|file| file.len());
    let _ = std::fs::remove_file(copy);
    output.status.success().then_some(size)?
}

fn megabytes(bytes: u64) -> String {
    let hundredths = bytes / 10_000;
    format!("{}.{:02} MB", hundredths / 100, hundredths % 100)
}

/// A package: the crate that binds it, and where its own code is.
struct Package {
    language: &'static str,
    binding: &'static str,
    own: &'static str,
}

const PACKAGES: [Package; 8] = [
    Package { language: "python", binding: "bindings/python/src/", own: "python/runcycles/" },
    Package { language: "node", binding: "bindings/node/src/", own: "node/src/" },
    Package { language: "jvm", binding: "bindings/uniffi/src/", own: "bindings/kotlin/src/main/" },
    Package {
        language: "spring",
        binding: "bindings/uniffi/src/",
        own: "bindings/spring/src/main/",
    },
    Package { language: "go", binding: "bindings/c/src/", own: "bindings/go/" },
    Package { language: "ruby", binding: "bindings/c/src/", own: "bindings/ruby/lib/" },
    Package { language: "c", binding: "bindings/c/src/", own: "" },
    Package { language: "swift", binding: "bindings/uniffi/src/", own: "bindings/swift/" },
];

/// Endings of what is written in the language of a package.
const SOURCES: [&str; 8] = ["py", "pyi", "ts", "kt", "java", "go", "rb", "swift"];

/// Prints how many lines that are not blank each language has, tests aside.
fn lines(repo: &Repo) -> Result<()> {
    let files = repo.files()?;
    let count = |chosen: &dyn Fn(&str) -> bool| -> Result<usize> {
        let chosen = files.iter().filter(|file| chosen(file));
        chosen.map(|file| Ok(written(&repo.read(file)?))).sum()
    };
    println!("\nlanguage  binding in Rust  package  (written lines, comments too)");
    for Package { language, binding, own } in PACKAGES {
        let crate_lines = count(&|file| file.starts_with(binding) && has_ending(file, &["rs"]))?;
        let own_lines = if own.is_empty() {
            0
        } else {
            count(&|file| file.starts_with(own) && is_source(file))?
        };
        println!("{language:8}  {crate_lines:15}  {own_lines:7}");
    }
    println!(
        "bindings/c serves go, ruby and c; bindings/uniffi serves jvm, spring on top of it, and swift"
    );
    Ok(())
}

fn is_source(file: &str) -> bool {
    has_ending(file, &SOURCES) && !file.ends_with("_test.go")
}

fn has_ending(file: &str, endings: &[&str]) -> bool {
    Path::new(file).extension().is_some_and(|end| endings.iter().any(|known| end == *known))
}

fn written(text: &str) -> usize {
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_tests_are_not_counted() {
        assert_eq!(written("a\n\n  \n// b\n"), 2);
        assert!(is_source("bindings/go/client.go") && is_source("bindings/ruby/lib/a.rb"));
        assert!(!is_source("bindings/go/cycles_test.go") && !is_source("bindings/go/README.md"));
    }

    #[test]
    fn sizes_are_cut_to_hundredths() {
        assert_eq!(megabytes(8_375_992), "8.37 MB");
        assert_eq!(megabytes(9_999), "0.00 MB");
    }
}
