//! Scenario files carry their own names, and exceptions name real scenarios.

use anyhow::{Context, Result};

use crate::language::Language;
use crate::repo::Repo;
use crate::scenarios::{self, FOLDER, Scenario};

pub(super) fn check(repo: &Repo) -> Result<Vec<String>> {
    let scenarios = scenarios::read(repo)?;
    let mut problems = Vec::new();
    for Scenario { file, id, title } in &scenarios {
        if id != file {
            problems.push(format!("{FOLDER}/{file}.yaml: its id is {id:?}, which is not its name"));
        }
        if title.is_empty() {
            problems.push(format!("{FOLDER}/{file}.yaml: it has no title"));
        }
    }
    let ids: Vec<&str> = scenarios.iter().map(|scenario| scenario.id.as_str()).collect();
    problems.extend(exceptions(&repo.read("tests/parity.toml")?, &ids)?);
    Ok(problems)
}

fn exceptions(parity: &str, ids: &[&str]) -> Result<Vec<String>> {
    let table: toml::Table = parity.parse().context("tests/parity.toml does not parse")?;
    let mut problems = Vec::new();
    for key in table.keys().filter(|key| *key != "exception") {
        problems.push(format!("tests/parity.toml: unknown key {key}"));
    }
    let entries = table.get("exception").and_then(toml::Value::as_array);
    for entry in entries.into_iter().flatten() {
        let text = |key: &str| entry.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        let (scenario, language) = (text("scenario"), text("language"));
        if !ids.contains(&scenario) {
            problems.push(format!("tests/parity.toml: there is no scenario {scenario:?}"));
        }
        if !Language::ALL.iter().any(|known| known.name() == language) {
            problems.push(format!("tests/parity.toml: there is no language {language:?}"));
        }
        if text("reason").is_empty() {
            problems.push(format!("tests/parity.toml: {scenario} in {language} has no reason"));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_name_a_scenario_a_language_and_a_reason() {
        let parity = "[[exception]]\nscenario = \"a\"\nlanguage = \"node\"\nreason = \"why\"\n";
        assert!(exceptions(parity, &["a"]).unwrap().is_empty());
        assert_eq!(exceptions(parity, &["b"]).unwrap().len(), 1);
        assert_eq!(exceptions("[[exception]]\nscenario = \"a\"\n", &["a"]).unwrap().len(), 2);
        assert_eq!(exceptions("[other]\n", &[]).unwrap().len(), 1);
        assert!(exceptions("# none\n", &[]).unwrap().is_empty());
    }
}
