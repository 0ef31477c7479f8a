//! The first command of somebody new.

use serde_json::{Value, json};

use crate::support::output;

#[tokio::test]
async fn a_runaway_is_stopped_at_its_budget_and_nobody_else_is() {
    let (code, stdout, stderr) = output(&["demo", "--call-ms", "0", "--json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("one document");
    let [writer, researcher] = report["agents"].as_array().unwrap().as_slice() else {
        panic!("{report}");
    };
    let figures =
        |agent: &Value| json!([agent["calls"], agent["spent"]["amount"], agent["denials"]]);
    assert_eq!(figures(writer), json!([100, 100_000_000, 4]));
    assert_eq!(figures(researcher), json!([10, 20_000_000, 0]));
    let why = writer["denied_because"].as_str().unwrap();
    assert!(why.contains("scope=tenant:acme/agent:writer"), "{why}");
    let amounts = report["budgets"].as_array().unwrap().iter().map(|budget| {
        let amount = |name: &str| budget[name]["amount"].as_i64().unwrap();
        (
            budget["scope"].as_str().unwrap(),
            amount("spent"),
            amount("reserved"),
            amount("remaining"),
        )
    });
    let expected = [
        ("tenant:acme", 120_000_000, 0, 80_000_000),
        ("tenant:acme/agent:writer", 100_000_000, 0, 0),
        ("tenant:acme/agent:researcher", 20_000_000, 0, 30_000_000),
    ];
    assert_eq!(amounts.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn people_see_it_happen_and_are_told_what_to_type_next() {
    let (code, stdout, stderr) = output(&["demo", "--call-ms", "1"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(!stdout.contains('\u{1b}'), "a file gets no control characters: {stdout}");
    assert_eq!(stdout.matches("writer: denied, and stops").count(), 4, "{stdout}");
    for says in [
        "$1.00 of $1.00 spent, $0.00 held",
        "100 calls ran, $1.00 spent.",
        "10 calls ran, $0.20 spent.",
        "$0.80 of tenant acme is left",
        "cycles run --budget 5 -- python first_call.py",
        "  cycles serve ",
        "@cycles(usd(",
    ] {
        assert!(stdout.contains(says), "{says} is not in {stdout}");
    }
}

#[tokio::test]
async fn a_call_that_never_ends_is_no_demo() {
    let (code, _, stderr) = output(&["demo", "--call-ms", "10001"]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--call-ms"), "{stderr}");
}
