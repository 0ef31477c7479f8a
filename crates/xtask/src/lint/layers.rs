//! Dependencies point down only (`ARCHITECTURE.md`).

use anyhow::Result;
use serde_json::Value;

use crate::repo::Repo;

/// Each package of ours, and those of ours that it may depend on. Tests
/// (`dev-dependencies`) may use what stands above.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cycles-conformance", &[]),
    ("cycles-protocol", &[]),
    ("cycles-ledger", &["cycles-protocol"]),
    ("cycles-engine", &["cycles-protocol", "cycles-ledger"]),
    ("cycles-server", &["cycles-protocol", "cycles-ledger", "cycles-engine"]),
    ("cycles-store", &["cycles-protocol", "cycles-ledger", "cycles-engine"]),
    ("runcycles", &["cycles-protocol", "cycles-engine"]),
    (
        "cycles-testkit",
        &["cycles-protocol", "cycles-engine", "cycles-server", "runcycles", "cycles-conformance"],
    ),
    (
        "cycles-cli",
        &["cycles-protocol", "cycles-engine", "cycles-server", "cycles-store", "runcycles"],
    ),
    ("cycles-crash", &["cycles-protocol", "cycles-engine", "cycles-server", "cycles-store"]),
    ("cycles-fuzz", &["cycles-protocol", "cycles-engine"]),
    ("runcycles-python", BINDING),
    ("runcycles-node", BINDING),
    ("runcycles-uniffi", BINDING),
    ("runcycles-c", BINDING),
    ("runaway-agent", &["runcycles"]),
    (
        "cycles-bench",
        &["cycles-protocol", "cycles-ledger", "cycles-engine", "cycles-server", "cycles-store"],
    ),
    ("xtask", &[]),
];
const BINDING: &[&str] = &["cycles-protocol", "runcycles", "cycles-testkit"];

/// Dependencies that may only be taken behind a feature: a remote client does not
/// need the engine, and no package the contract's validator (`docs/adr/0004`).
const OPTIONAL: &[(&str, &str)] =
    &[("runcycles", "cycles-engine"), ("cycles-testkit", "cycles-conformance")];

#[expect(clippy::unnecessary_wraps, reason = "a rule like the others, which read files")]
pub(super) fn check(repo: &Repo) -> Result<Vec<String>> {
    Ok(problems(&repo.metadata))
}

fn problems(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            problems.push(format!("{name} has no line in xtask's table of layers"));
            continue;
        };
        let dependencies =
            package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        for dependency in dependencies {
            let used = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"] == "dev" || !ours.contains(&used) {
                continue;
            }
            if !allowed.contains(&used) {
                problems.push(format!("{name} depends on {used}, which is not below it"));
            } else if OPTIONAL.contains(&(name, used)) && dependency["optional"] != true {
                problems.push(format!("{name} must depend on {used} only behind a feature"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dependencies_point_down() {
        assert_eq!(problems(&Repo::find().unwrap().metadata), Vec::<String>::new());
    }

    #[test]
    fn a_crate_that_depends_upwards_is_named() {
        let upwards = |kind: Value| {
            json!({"packages": [
                {"name": "cycles-ledger", "dependencies": [{"name": "cycles-engine", "kind": kind}]},
                {"name": "cycles-engine", "dependencies": []},
            ]})
        };
        assert_eq!(
            problems(&upwards(Value::Null)),
            ["cycles-ledger depends on cycles-engine, which is not below it"]
        );
        assert!(problems(&upwards(json!("dev"))).is_empty());
    }

    #[test]
    fn the_engine_is_optional_for_the_sdk_and_new_crates_need_a_line() {
        let metadata = json!({"packages": [
            {"name": "runcycles", "dependencies": [{"name": "cycles-engine", "optional": false}]},
            {"name": "cycles-engine", "dependencies": []},
            {"name": "newcomer", "dependencies": []},
        ]});
        assert_eq!(problems(&metadata).len(), 2);
    }
}
