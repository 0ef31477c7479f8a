//! `cargo xtask test contract`: schemathesis reads the OpenAPI file and sends a
//! running server what that allows and what it does not.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};

use crate::build::{library, python};
use crate::count::{self, Count};
use crate::demo::server::{ADMIN_KEY, Server};
use crate::repo::Repo;
use crate::run::run_and_keep;

const FOLDER: &str = "tests/conformance";
const SEED: &str = "tests/conformance/seed.yaml";
const OPENAPI: &str = "tests/vectors/cycles-protocol-v0.yaml";

/// A key, and what must have been seen with it: a run that only ever meets
/// refusals would find nothing wrong.
struct Run {
    /// The contract's name for the kind of key.
    scheme: &'static str,
    header: &'static str,
    /// All of them where none is named.
    operations: &'static [&'static str],
    seen: &'static [&'static str],
}

const RUNS: [Run; 2] = [
    Run {
        scheme: "ApiKeyAuth",
        header: "X-Cycles-API-Key",
        operations: &[],
        seen: &[
            "createReservation 200",
            "createReservation 400",
            "createReservation 401",
            "commitReservation 200",
            "commitReservation 404",
            "commitReservation 409",
            "releaseReservation 200",
            "extendReservation 200",
            "getReservation 200",
            "listReservations 200",
            "decide 200",
            "createEvent 201",
            "getBalances 200",
            "getBalances 405",
            "getEvidence 404",
            "getEvidenceJwks 404",
        ],
    },
    Run {
        scheme: "AdminKeyAuth",
        header: "X-Admin-API-Key",
        operations: &["listReservations", "getReservation", "releaseReservation"],
        seen: &[
            "listReservations 200",
            "listReservations 401",
            "getReservation 200",
            "releaseReservation 200",
            "releaseReservation 409",
        ],
    },
];

/// Runs schemathesis with either key; a test is an operation in one of its phases.
pub(crate) fn count(repo: &Repo) -> Result<(Count, bool)> {
    python::CONTRACT.ensure(repo)?;
    let mut sum = linked(repo);
    let mut content = sum.failed == 0;
    for run in &RUNS {
        let (count, success) = run.count(repo)?;
        sum = sum.plus(count);
        content &= success;
    }
    Ok((sum, content))
}

impl Run {
    fn count(&self, repo: &Repo) -> Result<(Count, bool)> {
        let report = repo.target.join("contract.xml");
        let answers = repo.target.join("contract-answers.json");
        for file in [&report, &answers] {
            let _ = std::fs::remove_file(file);
        }
        let server = Server::start(repo, SEED)?;
        let key = if self.scheme == "AdminKeyAuth" { ADMIN_KEY } else { &server.api_key };
        let mut command = Command::new(python::CONTRACT.program(repo, "st"));
        command
            .arg("--config-file")
            .arg(repo.path(FOLDER).join("schemathesis.toml"))
            .args(["run", "--url", &server.base_url])
            .args(["--header", &format!("{}: {key}", self.header)])
            .args(["--report", "junit", "--report-junit-path"])
            .arg(&report)
            .args(self.operations.iter().flat_map(|id| ["--include-operation-id", *id]))
            .arg(repo.path(OPENAPI))
            .envs([("CYCLES_SCHEME", self.scheme), ("CYCLES_BASE_URL", &server.base_url)])
            .envs([("CYCLES_API_KEY", server.api_key.as_str()), ("SCHEMATHESIS_HOOKS", "hooks")])
            .env("CYCLES_ANSWERS", &answers)
            .env("PYTHONPATH", repo.path(FOLDER))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&repo.target);
        let finished = run_and_keep(&mut command)?;
        server.stop()?;
        let count = count::junit(&report)?;
        let answers = std::fs::read_to_string(&answers).context("no answers were counted")?;
        let answers: BTreeMap<String, u32> = serde_json::from_str(&answers)?;
        let unseen = unseen(self.seen, &answers);
        for answer in &unseen {
            println!("never answered: {answer}; the requests do not reach it any more");
        }
        let unseen = u32::try_from(unseen.len()).unwrap_or(u32::MAX);
        let count = Count { failed: count.failed + unseen, ..count };
        Ok((count, finished.success && unseen == 0))
    }
}

fn unseen<'a>(expected: &[&'a str], answers: &BTreeMap<String, u32>) -> Vec<&'a str> {
    expected.iter().copied().filter(|answer| !answers.contains_key(*answer)).collect()
}

/// Whether the libraries that languages test with hold the validator, and with it
/// the contract (`docs/adr/0004`). Without it their suites would pass as quietly.
fn linked(repo: &Repo) -> Count {
    const TITLE: &[u8] = b"title: Cycles Budget Authority API";
    let mut count = Count::default();
    for name in ["_native", "runcycles_node", "runcycles_uniffi"].map(library) {
        let bytes = std::fs::read(repo.artifact(&name)).unwrap_or_default();
        if bytes.windows(TITLE.len()).any(|window| window == TITLE) {
            count.passed += 1;
        } else {
            println!("{name} is built without cycles-testkit/contract");
            count.failed += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_not_seen_is_named() {
        let answers = BTreeMap::from([("decide 200".to_owned(), 3)]);
        assert_eq!(unseen(&["decide 200", "decide 409"], &answers), ["decide 409"]);
    }
}
