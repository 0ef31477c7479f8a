//! Tenants, keys and budgets from nothing, and what is refused.

use serde_json::json;

use crate::support::{ADMIN_KEY, Server, cycles, ended, output};

#[tokio::test]
async fn from_nothing_to_an_agent_that_may_spend() {
    let server = Server::seeded("empty.yaml", "tenants: []\n").await;
    server.operator(&["tenant", "create", "corp", "--name", "Corp"]).await;
    let tenants = server.operator(&["tenant", "list"]).await;
    assert!(tenants.contains("corp") && tenants.contains("ACTIVE"), "{tenants}");

    let budget = server.operator(&["budget", "create", "tenant:corp", "$10"]).await;
    assert!(budget.contains("tenant:corp") && budget.contains("$10.00"), "{budget}");
    server.operator(&["budget", "create", "tenant:corp/agent:bot", "500 tokens"]).await;

    let key = server.operator_json(&["key", "create", "corp", "--name", "bot"]).await;
    let secret = key["key_secret"].as_str().unwrap();
    let own = server.tenant(secret, &["budget", "list"]).await;
    assert_eq!(own.lines().count(), 3, "{own}");

    let well = server.tenant(secret, &["doctor"]).await;
    assert!(well.contains("tenant corp") && well.contains("is allowed"), "{well}");
}

#[tokio::test]
async fn a_budget_is_funded_frozen_and_let_go() {
    let server = Server::start().await;
    let fund = ["budget", "fund", "tenant:acme", "500 tokens", "--idempotency-key", "f"];
    for _ in 0..2 {
        let funded = server.operator_json(&fund).await;
        assert_eq!(funded["new_allocated"]["amount"], 1500, "a repeated key funds once");
    }
    let repaid = ["budget", "fund", "tenant:acme", "700 tokens", "--operation", "reset-spent"];
    assert!(server.operator(&repaid).await.contains("1500 TOKENS  700 TOKENS"));

    let freeze = ["budget", "freeze", "tenant:acme", "--unit", "tokens", "--reason", "incident"];
    assert!(server.operator(&freeze).await.contains("FROZEN"));
    let mut again = server.command(&freeze);
    let (code, stdout, stderr) = ended(again.env("CYCLES_ADMIN_API_KEY", ADMIN_KEY)).await;
    assert_eq!((code, stdout.as_str()), (Some(3), ""));
    assert!(stderr.contains("INVALID_REQUEST") && stderr.contains("FROZEN"), "{stderr}");

    let frozen = server.operator_json(&["budget", "list", "--status", "frozen"]).await;
    assert_eq!(frozen.as_array().unwrap().len(), 1);
    let full = ["budget", "list", "--utilization-min", "0.5", "--sort-by", "utilization"];
    assert_eq!(server.operator_json(&full).await, json!([]), "nothing is spent");
    let by_scope = ["budget", "list", "--sort-by", "scope"];
    assert_eq!(server.operator_json(&by_scope).await[0]["scope"], "tenant:other");
    server.operator(&["budget", "unfreeze", "tenant:acme", "--unit", "tokens"]).await;
    let shown = server.operator_json(&["budget", "show", "tenant:acme", "--unit", "tokens"]).await;
    assert_eq!(shown["status"], "ACTIVE");
}

#[tokio::test]
async fn a_tenant_is_set_suspended_and_closed() {
    let server = Server::start().await;
    server.reserve(10).await;
    let set = ["tenant", "set", "acme", "--max-ttl-ms", "60000", "--overage-policy", "reject"];
    let shown = server.operator(&set).await;
    assert!(shown.contains("60000") && shown.contains("REJECT"), "{shown}");
    assert!(server.operator(&["tenant", "suspend", "acme"]).await.contains("SUSPENDED"));
    assert!(server.operator(&["tenant", "activate", "acme"]).await.contains("ACTIVE"));

    let refused = async |arguments: &[&str], code: i32, says: &str| {
        let mut command = server.command(arguments);
        let (ended, _, stderr) = ended(command.env("CYCLES_ADMIN_API_KEY", ADMIN_KEY)).await;
        assert_eq!(ended, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    };
    refused(&["tenant", "close", "acme"], 2, "--for-good").await;
    refused(&["tenant", "set", "acme"], 2, "--max-ttl-ms").await;
    refused(&["tenant", "set", "acme", "--max-ttl-ms", "1"], 2, "1000").await;
    refused(&["tenant", "suspend", "nobody"], 3, "TENANT_NOT_FOUND").await;

    let closed = server.operator_json(&["tenant", "close", "acme", "--for-good"]).await;
    assert_eq!(closed["status"], "CLOSED");
    assert_eq!(server.operator_json(&["tenant", "show", "acme"]).await, closed);
    let released = server.operator_json(&["reservation", "list", "--tenant", "acme"]).await;
    assert_eq!(released[0]["status"], "RELEASED");
    refused(&["tenant", "activate", "acme"], 3, "TENANT_CLOSED").await;
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let server = Server::start().await;
    let keys = server.operator_json(&["key", "list", "--tenant", "acme"]).await;
    let id = keys[0]["key_id"].as_str().unwrap();
    let revoked = server.operator(&["key", "revoke", id, "--reason", "leaked & gone"]).await;
    assert!(revoked.contains("REVOKED"), "{revoked}");
    let listed = server.operator_json(&["key", "list", "--status", "revoked"]).await;
    assert_eq!(listed[0]["revoked_reason"], json!("leaked & gone"));
    let mut command = server.command(&["budget", "list"]);
    let (code, _, stderr) = ended(command.env("CYCLES_API_KEY", "cyc_test_acme")).await;
    assert_eq!(code, Some(3));
    assert!(stderr.contains("UNAUTHORIZED") && stderr.contains("cycles doctor"), "{stderr}");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    for (arguments, says) in [
        (&["budget", "create", "acme", "$1", "--admin-key", "k"][..], "scope"),
        (&["budget", "create", "tenant:acme", "1.5 tokens"], "50000 tokens"),
        (&["budget", "create", "tenant:acme"], "<ALLOCATED>"),
        (&["budget", "list", "--unit", "euros"], "USD_MICROCENTS"),
        (&["budget", "list"], "CYCLES_ADMIN_API_KEY"),
        (&["tenant", "list"], "CYCLES_ADMIN_API_KEY"),
        (&["reservation", "list", "--admin-key", "k"], "--tenant"),
        (&["tenant", "list", "--base-url", "ftp://x", "--admin-key", "k"], "http://"),
        (&["tenant", "list", "--admin-key", "a\nb"], "line end"),
        (
            &["tenant", "list", "--ca-file", "/no/such.pem", "--base-url", "https://x"],
            "/no/such.pem",
        ),
        (&["tenant", "list", "--read-timeout-ms", "0"], "read-timeout-ms"),
    ] {
        let (code, stdout, stderr) = output(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_exit_code_4() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let (code, stdout, stderr) =
        ended(cycles(&["tenant", "list", "--admin-key", "k"]).env("CYCLES_BASE_URL", &base_url))
            .await;
    assert_eq!((code, stdout.as_str()), (Some(4), ""), "{stderr}");
    assert!(stderr.contains(&base_url) && stderr.contains("cycles serve"), "{stderr}");
}

#[tokio::test]
async fn a_budget_renews_by_the_calendar() {
    let server = Server::start().await;
    let create = ["budget", "create", "tenant:acme", "$100", "--every", "month", "--time-zone"];
    let created = server.operator_json(&[&create[..], &["Europe/Berlin"]].concat()).await;
    let end = created["period_end"].as_str().unwrap();
    assert!(end.ends_with("T22:00:00Z") || end.ends_with("T23:00:00Z"), "{created}");
    let period = ["budget", "period", "tenant:acme"];
    let rolling = ["--every", "30d", "--rollover", "carry-forward"];
    let changed = server.operator_json(&[&period[..], &rolling].concat()).await;
    assert_eq!(changed["rollover_policy"], "CARRY_FORWARD");
    assert!(server.operator(&["budget", "list"]).await.contains("RENEWS"));
    let never = server.operator_json(&[&period[..], &["--never"]].concat()).await;
    assert_eq!(never["period_end"], json!(null));
    for wrong in [&["--every", "30m"][..], &[], &["--time-zone", "UTC", "--never"]] {
        let (code, _, stderr) = output(&[&period[..], wrong].concat()).await;
        assert_eq!(code, Some(2), "{wrong:?}: {stderr}");
    }
}
