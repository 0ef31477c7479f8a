//! The JDKs that are here: the usual one, and one of 22 or later.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The first release with the foreign function interface.
const WITH_FFM: u32 = 22;

/// What to install where [`with_ffm`] is `None`.
pub(crate) const MISSING: &str =
    "install a JDK 22 or newer, or say where it is in JAVA_HOME_22_X64";

/// The home of a JDK of 22 or later: the usual one, one that a variable like `JAVA_HOME_25_X64`
/// names, or one of the system's.
pub(crate) fn with_ffm() -> Option<&'static Path> {
    static HOME: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let named = std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("JAVA_HOME_"));
        let named = named.map(|(_, home)| PathBuf::from(home));
        let installed = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
        let mut all =
            usual_home().into_iter().chain(named).chain(installed.map(|entry| entry.path()));
        all.find(|home| release(home).is_some_and(|release| release >= WITH_FFM))
    });
    HOME.as_deref()
}

/// The JVM that programs start in here.
pub(crate) fn usual() -> Option<PathBuf> {
    usual_home().map(|home| java(&home))
}

/// The JVM of a JDK.
pub(crate) fn java(home: &Path) -> PathBuf {
    home.join("bin").join(format!("java{}", std::env::consts::EXE_SUFFIX))
}

fn usual_home() -> Option<PathBuf> {
    let named =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).filter(|home| java(home).is_file());
    named.or_else(|| {
        let path = std::env::var_os("PATH")?;
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join(format!("javac{}", std::env::consts::EXE_SUFFIX)))
            .find_map(|file| file.canonicalize().ok())?;
        Some(found.parent()?.parent()?.to_owned())
    })
}

/// The release of the JDK in `home`; none where there is no compiler.
fn release(home: &Path) -> Option<u32> {
    let compiler = home.join("bin").join(format!("javac{}", std::env::consts::EXE_SUFFIX));
    let text = std::fs::read_to_string(home.join("release")).ok()?;
    compiler.is_file().then(|| version(&text)).flatten()
}

/// The first number of `JAVA_VERSION="25.0.1"`.
fn version(release: &str) -> Option<u32> {
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    line.trim_matches('"').split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_file_of_that_name() {
        assert_eq!(version("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"25.0.1\"\n"), Some(25));
        assert_eq!(version("JAVA_VERSION=\"22\""), Some(22));
        assert_eq!(version("JAVA_VERSION=\"1.8.0_402\""), Some(1));
        assert_eq!(version("nothing"), None);
    }
}
