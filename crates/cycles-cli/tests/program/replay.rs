//! Past work, decided again.

use serde_json::Value;

use crate::support::{ACME_KEY, Server, file, output};

#[tokio::test]
async fn past_work_is_decided_by_another_policy() {
    let server = Server::start().await;
    let released = server.reserve(500).await;
    server.operator(&["reservation", "release", &released]).await;
    let (held, large) = (server.reserve(300).await, server.reserve(600).await);
    let list = server.tenant(ACME_KEY, &["reservation", "list", "--json"]).await;
    let log = file("log.json", &list);
    let policy = "budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 550}]\n";
    let policy = file("policy.yaml", policy);
    let arguments = ["replay", log.to_str().unwrap(), "--policy", policy.to_str().unwrap()];

    let (code, text, stderr) = output(&arguments).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(text.contains("BUDGET_EXCEEDED") && text.contains(&large), "{text}");
    let (_, json, _) = output(&[&arguments[..], &["--json"]].concat()).await;
    let report: Value = serde_json::from_str(&json).unwrap();
    let decided = |id: &str| {
        let decisions = report["decisions"].as_array().unwrap();
        decisions.iter().find(|row| row["reservation_id"] == id).unwrap()["decision"].clone()
    };
    assert_eq!(
        (decided(&released), decided(&held), decided(&large)),
        ("ALLOW".into(), "ALLOW".into(), "DENY".into()),
        "what was released was free again"
    );
    assert_eq!(report["budgets"][0]["reserved"]["amount"], 300, "its grace is not over");
}

#[tokio::test]
async fn wrong_logs_and_policies_are_named() {
    let good = file("replay-policy.yaml", "budgets: []\n");
    let bad = file("replay-bad.yaml", "bugdets: []\n");
    let log = file("replay-log.jsonl", "{\"type\": \"tenant\"}\nnonsense\n");
    let none = file("replay-none.jsonl", "{\"type\": \"tenant\"}\n");
    for (log, policy, says) in [
        (&log, &good, "line 2"),
        (&none, &good, "cycles export"),
        (&log, &bad, "bugdets"),
        (&"/no/such.jsonl".into(), &good, "/no/such.jsonl"),
    ] {
        let arguments = ["replay", log.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
        let (code, stdout, stderr) = output(&arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(says), "{says}: {stderr}");
    }
}
