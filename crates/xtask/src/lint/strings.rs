//! No file names a folder of someone's machine or a package registry's host:
//! the one works nowhere else, and the other is the reader's own setting.

use anyhow::Result;

use crate::repo::Repo;

// In pieces, so that this file does not name them either.
const PATHS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];
const HOSTS: [&str; 8] = [
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("pypi.", "org"),
    concat!("files.", "pythonhosted.org"),
    concat!("repo.", "maven.apache.org"),
    concat!("repo1.", "maven.org"),
    concat!("index.", "crates.io"),
    concat!("proxy.", "golang.org"),
];

pub(super) fn check(repo: &Repo) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in repo.files()? {
        // A binary file is nothing that a person wrote.
        let Ok(text) = std::fs::read_to_string(repo.path(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = found(line) {
                problems.push(format!("{file}:{}: {found}", number + 1));
            }
        }
    }
    Ok(problems)
}

fn found(line: &str) -> Option<&'static str> {
    let host = HOSTS.into_iter().find(|host| line.contains(host));
    host.or_else(|| PATHS.into_iter().find(|path| starts_a_path(line, path)))
}

/// Whether `path` stands at the start of an absolute path, and not inside one.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| {
            !before.is_alphanumeric() && !matches!(before, '.' | '_' | '-' | '~' | '}' | ')')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_and_hosts_are_found() {
        assert!(found(&format!("see {}x", PATHS[0])).is_some());
        assert!(found(&format!("\"{}main\"", PATHS[1])).is_some());
        assert!(found(&format!("https://{}/x", HOSTS[0])).is_some());
    }

    #[test]
    fn relative_paths_are_not() {
        assert!(found(&format!("docs{}x ./a{}", PATHS[0], PATHS[1])).is_none());
        assert!(found("nothing of the kind").is_none());
    }
}
