//! `cargo xtask recovery`: the scenarios of the SDK recovery profile, each by
//! the tests that show it, and a report of them.

mod evidence;
pub(crate) mod killed;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::build::{self, cargo_in};
use crate::repo::Repo;
use crate::run::run_and_keep;

/// The profile's scenarios, as published.
const CATALOG: &str = "tests/vectors/recovery/scenarios.yaml";

/// Where the tests are: the SDK core's own, and those that kill a process.
const TARGETS: [&str; 7] =
    ["--lib", "--test", "settlement", "--test", "recovery", "--test", KILLED];
/// Those that kill a process, which may be one of another language.
const KILLED: &str = "killed";

/// Which tests show which scenario.
const SHOWN_BY: &[(&str, &[&str])] = &[
    (
        "CR-CORE-001",
        &[
            "a_lost_answer_is_asked_for_again_with_the_same_key",
            "an_unclear_commit_is_repeated_with_the_same_key_and_the_result_is_not_held_hostage",
        ],
    ),
    ("CR-CORE-002", &["an_expired_commit_becomes_an_event_with_the_same_key"]),
    ("CR-CORE-003", &["a_failed_extension_is_repeated_with_the_same_key_and_the_lease_is_kept"]),
    (
        "CR-CORE-004",
        &["an_unclear_commit_is_repeated_with_the_same_key_and_the_result_is_not_held_hostage"],
    ),
    (
        "CR-DURABLE-001",
        &[
            "a_commit_in_flight_survives_a_kill",
            "a_commit_that_was_applied_before_the_kill_settles_once",
        ],
    ),
    ("CR-DURABLE-002", &["an_expired_commit_switches_to_an_event_before_the_event_leaves"]),
    ("CR-DURABLE-003", &["a_rate_limit_survives_a_restart"]),
    ("CR-DURABLE-004", &["a_tenant_s_journal_survives_the_rotation_of_its_key"]),
    (
        "CR-DURABLE-005",
        &[
            "bad_records_are_set_aside_and_reported_and_good_ones_replay",
            "journal::directory::tests::corrupt_and_unknown_records_are_set_aside_and_none_replaces_another",
        ],
    ),
    ("CR-DURABLE-006", &["two_processes_that_replay_one_record_settle_it_once"]),
    (
        "CR-DURABLE-007",
        &[
            "journal::directory::tests::legacy_names_migrate_and_a_collision_is_not_deleted",
            "journal::identity::tests::distinct_identifiers_never_share_a_name",
        ],
    ),
    ("CR-BOUNDARY-001", &["a_failed_function_releases_and_its_error_comes_through_untouched"]),
];

/// Runs the tests, writes the report to `file`, and answers whether all passed.
pub(crate) fn run(repo: &Repo, file: Option<&Path>) -> Result<bool> {
    let mut command = cargo_in(repo, "test");
    let finished =
        run_and_keep(command.args(build::EVERYTHING).args(TARGETS).arg("--no-fail-fast"))?;
    let passed = passed(&finished.stdout);
    let catalog = evidence::Catalog::read(&repo.read(CATALOG)?)?;
    let results = catalog.scenarios.iter().map(|scenario| result(&scenario.id, &passed));
    let results = results.collect::<Result<Vec<_>>>()?;
    for (scenario, problem) in catalog.scenarios.iter().zip(&results) {
        match problem {
            None => println!("ok    {}  {}", scenario.id, scenario.name),
            Some(problem) => println!("FAIL  {}  {}: {problem}", scenario.id, scenario.name),
        }
    }
    if let Some(file) = file {
        let report = evidence::report(repo, &catalog, &results)?;
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("report: {}", file.display());
    }
    Ok(finished.success && results.iter().all(Option::is_none))
}

/// The tests that show `scenario`.
fn tests_of(scenario: &str) -> Result<&'static [&'static str]> {
    let found = SHOWN_BY.iter().find(|(id, _)| *id == scenario);
    Ok(found.with_context(|| format!("no test shows {scenario}; add it to xtask's table"))?.1)
}

/// What is missing: a test that did not run shows nothing.
fn result(scenario: &str, passed: &BTreeSet<&str>) -> Result<Option<String>> {
    let tests = tests_of(scenario)?;
    ensure!(!tests.is_empty(), "no test shows {scenario}");
    let missing: Vec<_> = tests.iter().filter(|test| !passed.contains(**test)).copied().collect();
    Ok((!missing.is_empty()).then(|| format!("did not pass: {}", missing.join(", "))))
}

/// Names of the tests that ran and passed.
fn passed(stdout: &str) -> BTreeSet<&str> {
    let tests = stdout.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
    tests.filter(|(_, outcome)| outcome.contains("ok")).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_failed_or_did_not_run_shows_nothing() {
        let stdout = "test a_rate_limit_survives_a_restart ... FAILED\ntest other ... ok\n";
        let passed = passed(stdout);
        assert_eq!(passed, BTreeSet::from(["other"]));
        assert!(result("CR-DURABLE-003", &passed).unwrap().is_some());
        let passed = BTreeSet::from(["a_rate_limit_survives_a_restart"]);
        assert_eq!(result("CR-DURABLE-003", &passed).unwrap(), None);
        assert!(result("CR-NEW-001", &passed).is_err());
    }

    #[test]
    fn every_scenario_of_the_profile_is_shown_and_no_other() {
        let catalog =
            evidence::Catalog::read(&Repo::find().unwrap().read(CATALOG).unwrap()).unwrap();
        let ids: Vec<_> = catalog.scenarios.iter().map(|scenario| scenario.id.as_str()).collect();
        let shown: Vec<_> = SHOWN_BY.iter().map(|(id, _)| *id).collect();
        assert_eq!(shown, ids);
    }
}
