//! The languages, and whether their toolchains are here.

use std::fmt;

use clap::ValueEnum;

use crate::repo::in_ci;
use crate::run::ask;

/// A language with a package of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// The core.
    Rust,
    /// `python/`
    Python,
    /// `node/`
    Node,
    /// `bindings/kotlin`
    Kotlin,
    /// `bindings/go`, and with it `bindings/c`
    Go,
    /// `bindings/ruby`
    Ruby,
}

impl Language {
    /// All of them, in the order they are shown.
    pub(crate) const ALL: [Self; 6] =
        [Self::Rust, Self::Python, Self::Node, Self::Kotlin, Self::Go, Self::Ruby];

    /// The name in tables, scenarios and folders.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Node => "node",
            Self::Kotlin => "kotlin",
            Self::Go => "go",
            Self::Ruby => "ruby",
        }
    }

    /// What to install before this language can be built and run here.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let found = match self {
            Self::Rust => true,
            Self::Python => python().is_some(),
            Self::Node => {
                major(ask("node", &["--version"])) >= 20 && ask("npm", &["--version"]).is_some()
            }
            Self::Kotlin => {
                major(ask("javac", &["-version"])) >= 17 && ask("mvn", &["--version"]).is_some()
            }
            Self::Go => ask("go", &["version"]).is_some() && ask("cc", &["--version"]).is_some(),
            Self::Ruby => ask("ruby", &["-e", RUBY]).is_some(),
        };
        if found {
            return None;
        }
        Some(match self {
            Self::Rust => "install Rust 1.90 or newer",
            Self::Python => {
                "install Python 3.10 or newer with its venv module (Debian: python3-venv)"
            }
            Self::Node => "install Node 20 or newer with npm (Debian: nodejs npm)",
            Self::Kotlin => {
                "install a JDK 17 or newer and Maven (Debian: openjdk-17-jdk-headless maven)"
            }
            Self::Go => "install Go 1.23 or newer and a C compiler (go.dev/dl; Debian: gcc)",
            Self::Ruby => {
                "install Ruby 3.1 or newer with ffi and minitest (Debian: ruby ruby-ffi ruby-minitest)"
            }
        })
    }

    /// Those of `wanted` (all where none is named) that can be built here. Says
    /// `SKIP` for the others; in CI a missing toolchain is an error.
    pub(crate) fn present(wanted: &[Self]) -> anyhow::Result<Vec<Self>> {
        let wanted = if wanted.is_empty() { &Self::ALL } else { wanted };
        let mut present = Vec::new();
        for &language in wanted {
            match language.missing() {
                None => present.push(language),
                Some(what) if in_ci() => anyhow::bail!("{language} is missing in CI: {what}"),
                Some(what) => println!("SKIP {language}: {what}"),
            }
        }
        Ok(present)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whether Ruby is new enough and has what the package and its tests need.
const RUBY: &str =
    "require 'ffi'; require 'minitest'; exit Gem.ruby_version >= Gem::Version.new('3.1')";

/// A Python that is new enough and can make environments.
pub(crate) fn python() -> Option<&'static str> {
    const PROBE: &str =
        "import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, 10) else 1)";
    ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"]
        .into_iter()
        .find(|python| ask(python, &["-c", PROBE]).is_some())
}

/// The first number of a version like `v20.20.2` or `javac 17.0.15`.
fn major(version: Option<String>) -> u32 {
    let version = version.unwrap_or_default();
    version
        .split(|c: char| !c.is_ascii_digit())
        .find(|part| !part.is_empty())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_tools_print() {
        assert_eq!(major(Some("v20.20.2".to_owned())), 20);
        assert_eq!(major(Some("javac 17.0.15".to_owned())), 17);
        assert_eq!(major(Some("nothing".to_owned())), 0);
        assert_eq!(major(None), 0);
    }
}
