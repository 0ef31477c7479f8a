//! One version everywhere.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Result<Vec<String>> {
    let cargo: toml::Table = repo.read("Cargo.toml")?.parse()?;
    let version = cargo["workspace"]["package"]["version"].as_str().context("no version")?;
    let mut found = Vec::new();
    let members = repo.metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    for package in members {
        found.push((
            format!("crate {}", package["name"]),
            package["version"].as_str().map(str::to_owned),
        ));
    }
    let dependencies = cargo["workspace"]["dependencies"].as_table().context("no dependencies")?;
    for (name, dependency) in dependencies.iter().filter(|(_, entry)| entry.get("path").is_some()) {
        let version = dependency.get("version").and_then(toml::Value::as_str).map(str::to_owned);
        found.push((format!("Cargo.toml, dependency {name}"), version));
    }
    found.extend(packages(repo)?);
    Ok(found
        .into_iter()
        .filter(|(_, found)| found.as_deref() != Some(version))
        .map(|(place, found)| format!("{place}: version {found:?}, but Cargo.toml says {version}"))
        .collect())
}

/// Where the other languages' package files put their version.
fn packages(repo: &Repo) -> Result<Vec<(String, Option<String>)>> {
    let python: toml::Table = repo.read("python/pyproject.toml")?.parse()?;
    let mut found = vec![(
        "python/pyproject.toml".to_owned(),
        python["project"]["version"].as_str().map(str::to_owned),
    )];
    for file in ["node/package.json", "node/package-lock.json"] {
        let package: Value = serde_json::from_str(&repo.read(file)?)?;
        found.push((file.to_owned(), package["version"].as_str().map(str::to_owned)));
    }
    let ruby = "bindings/ruby/lib/runcycles/version.rb";
    found.push((ruby.to_owned(), repo.read(ruby)?.split('"').nth(1).map(str::to_owned)));
    for file in repo.files()?.into_iter().filter(|file| file.ends_with("pom.xml")) {
        let pom = repo.read(&file)?;
        for version in pom_versions(&pom) {
            found.push((file.clone(), version));
        }
    }
    Ok(found)
}

/// The version of a Maven project, and of every dependency on a package of ours.
fn pom_versions(pom: &str) -> Vec<Option<String>> {
    pom.split("<groupId>dev.runcycles")
        .skip(1)
        .map(|rest| {
            let version = rest.split("<version>").nth(1)?;
            version.split('<').next().map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pom_has_its_own_version_and_those_of_our_packages() {
        let pom = "<groupId>dev.runcycles.examples</groupId><version>1</version>\
                   <dependency><groupId>org.other</groupId><version>9</version></dependency>\
                   <dependency><groupId>dev.runcycles</groupId><version>2</version></dependency>";
        assert_eq!(pom_versions(pom), [Some("1".to_owned()), Some("2".to_owned())]);
    }
}
