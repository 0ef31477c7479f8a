//! The report that others can read (`tests/vectors/recovery/report.schema.json`).

use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::repo::Repo;
use crate::run::ask;

const SCHEMA_ID: &str = "https://raw.githubusercontent.com/runcycles/cycles-protocol/main/client-recovery/report.schema.json";

/// The profile, and the digest of what was read.
#[derive(Debug, Deserialize)]
pub(super) struct Catalog {
    profile: String,
    version: String,
    pub(super) scenarios: Vec<Scenario>,
    #[serde(skip)]
    sha256: String,
}

/// What a report repeats of a scenario.
#[derive(Debug, Deserialize)]
pub(super) struct Scenario {
    pub(super) id: String,
    level: String,
    pub(super) name: String,
}

impl Catalog {
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut catalog: Self = serde_saphyr::from_str(text).context("the catalog is not valid")?;
        let digest = Sha256::digest(text);
        for byte in digest {
            write!(catalog.sha256, "{byte:02x}")?;
        }
        Ok(catalog)
    }
}

/// `problems`: for each scenario of the catalog, what is missing.
pub(super) fn report(repo: &Repo, catalog: &Catalog, problems: &[Option<String>]) -> Result<Value> {
    let root = repo.root.to_string_lossy();
    let commit = ask("git", &["-C", &root, "rev-parse", "HEAD"]).context("no commit")?;
    let passed = problems.iter().filter(|problem| problem.is_none()).count();
    let scenarios: Result<Vec<_>> = catalog
        .scenarios
        .iter()
        .zip(problems)
        .map(|(scenario, problem)| {
            let mut row = json!({
                "id": scenario.id,
                "level": scenario.level,
                "name": scenario.name,
                "passed": problem.is_none(),
                "native_tests": super::tests_of(&scenario.id)?,
            });
            if let Some(problem) = problem {
                row["diagnostic"] = problem.as_str().into();
            }
            Ok(row)
        })
        .collect();
    Ok(json!({
        "$schema": SCHEMA_ID,
        "schema_version": "1.0",
        "generated_at": jiff::Timestamp::now().to_string(),
        "profile": {
            "name": catalog.profile,
            "version": catalog.version,
            // The catalog came without its commit; the digest names it.
            "commit": "unrecorded",
            "catalog_sha256": catalog.sha256,
        },
        "claim": "durable",
        "implementation": {
            "id": "runcycles (Rust core)",
            "commit": commit.trim(),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "summary": {
            "total": problems.len(),
            "passed": passed,
            "failed": problems.len() - passed,
        },
        "scenarios": scenarios?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keywords that this schema uses, but for `pattern` and `format`.
    fn problems(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if schema.get("const").is_some_and(|expected| expected != value) {
            found.push(format!("{at}: not the constant"));
        }
        if let Some(known) = schema["enum"].as_array()
            && !known.contains(value)
        {
            found.push(format!("{at}: not one of the values"));
        }
        let fits = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        if !fits || (schema["minLength"] == 1 && value == "") {
            found.push(format!("{at}: wrong type or empty"));
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap()).is_none() {
                found.push(format!("{at}: lacks {name}"));
            }
        }
        for (name, member) in value.as_object().into_iter().flatten() {
            match schema["properties"].get(name) {
                Some(schema) => problems(schema, member, &format!("{at}/{name}"), found),
                None => found.push(format!("{at}: unknown member {name}")),
            }
        }
        for item in value.as_array().into_iter().flatten() {
            problems(&schema["items"], item, at, found);
        }
    }

    #[test]
    fn the_report_is_what_the_schema_says() {
        let repo = Repo::find().unwrap();
        let schema = repo.read("tests/vectors/recovery/report.schema.json").unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let catalog = Catalog::read(&repo.read(super::super::CATALOG).unwrap()).unwrap();
        let mut results = vec![None; catalog.scenarios.len()];
        results[3] = Some("did not pass".to_owned());
        let mut report = report(&repo, &catalog, &results).unwrap();

        let mut found = Vec::new();
        problems(&schema, &report, "", &mut found);
        assert_eq!(found, Vec::<String>::new());
        let digest = report["profile"]["catalog_sha256"].as_str().unwrap();
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(report["summary"], json!({"total": 12, "passed": 11, "failed": 1}));

        report["claim"] = "everything".into();
        report["extra"] = 1.into();
        problems(&schema, &report, "", &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
