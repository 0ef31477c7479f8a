//! Why something was decided.

use crate::support::{ACME_KEY, Server, ended};

#[tokio::test]
async fn a_denial_names_scope_remaining_and_holds() {
    let server = Server::start().await;
    let held = server.reserve(900).await;
    let refused = server.denied(200).await;
    let text = server.operator(&["explain", &refused]).await;
    for part in [
        "DENY BUDGET_EXCEEDED",
        "refuses: short of 100 TOKENS",
        &held,
        "cycles budget fund tenant:acme",
        "ask again in",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let list = server.tenant(ACME_KEY, &["explain"]).await;
    assert!(list.contains(&refused) && list.contains("BUDGET_EXCEEDED"), "{list}");
    let json = server.operator_json(&["explain", &refused]).await;
    assert_eq!(json["decision"]["details"]["remaining"], 100);
    assert_eq!(json["holds"][0]["reservation_id"], held.as_str());

    let allowed = server.tenant(ACME_KEY, &["explain", &held]).await;
    assert!(allowed.starts_with("ALLOW") && allowed.contains("100 TOKENS"), "{allowed}");
}

#[tokio::test]
async fn what_is_not_remembered_is_said() {
    let server = Server::start().await;
    let mut command = server.command(&["explain", "nothing"]);
    let (code, _, stderr) = ended(command.env("CYCLES_API_KEY", ACME_KEY)).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no decision is remembered"), "{stderr}");
}
