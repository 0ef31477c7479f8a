//! What the doctor finds, and what it says to do.

use serde_json::Value;

use crate::support::{ACME_KEY, Server, cycles, ended};

async fn says(server: &Server, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = server.command(&["doctor"]);
    let (code, stdout, stderr) = ended(command.envs(variables.iter().copied())).await;
    assert_eq!(stderr, "");
    (code, stdout)
}

#[tokio::test]
async fn each_mistake_has_its_advice() {
    let seed = r#"
tenants: [{tenant_id: poor}]
keys:
  - {name: poor, secret: cyc_test_poor, tenant_id: poor}
  - {name: reader, secret: cyc_test_reader, tenant_id: rich, permissions: ["balances:read"]}
  - {name: rich, secret: cyc_test_rich, tenant_id: rich}
  - {name: cold, secret: cyc_test_cold, tenant_id: cold}
budgets:
  - {scope: "tenant:rich", unit: USD_MICROCENTS, allocated: 0}
  - {scope: "tenant:cold", unit: TOKENS, allocated: 5, status: FROZEN}
"#;
    let server = Server::seeded("doctor.yaml", seed).await;
    for (variables, code, expected) in [
        (&[][..], 1, "CYCLES_API_KEY is not set"),
        (&[("CYCLES_API_KEY", "nonsense")], 1, "cycles key create"),
        (&[("CYCLES_API_KEY", "cyc_test_poor")], 1, "cycles budget create tenant:poor"),
        (
            &[("CYCLES_API_KEY", "cyc_test_rich"), ("CYCLES_TENANT", "poor")],
            1,
            "set CYCLES_TENANT=rich",
        ),
        (&[("CYCLES_API_KEY", "cyc_test_reader")], 0, "lacks reservations:commit"),
        (&[("CYCLES_API_KEY", "cyc_test_rich")], 0, "cycles budget fund tenant:rich"),
        (&[("CYCLES_API_KEY", "cyc_test_cold")], 0, "FROZEN"),
        (
            &[("CYCLES_API_KEY", "cyc_test_rich"), ("CYCLES_ADMIN_API_KEY", "wrong")],
            1,
            "set CYCLES_ADMIN_API_KEY to the key",
        ),
    ] {
        let (ended, stdout) = says(&server, variables).await;
        assert_eq!(ended, Some(code), "{variables:?}: {stdout}");
        assert!(stdout.contains(expected), "{variables:?}: {stdout}");
        assert!(stdout.contains("What to do:"), "{stdout}");
    }
}

#[tokio::test]
async fn it_changes_nothing_and_writes_json() {
    let server = Server::start().await;
    let mut command = server.command(&["doctor", "--json"]);
    let (code, stdout, _) = ended(command.env("CYCLES_API_KEY", ACME_KEY)).await;
    assert_eq!(code, Some(0), "{stdout}");
    let checks: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let names: Vec<_> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    let expected = ["server", "clock", "admin key", "key", "permissions", "budgets", "decision"];
    assert_eq!(names, expected);
    let budget = server.operator_json(&["budget", "show", "tenant:acme", "--unit", "tokens"]).await;
    assert_eq!(budget["remaining"]["amount"], 1000);
}

#[tokio::test]
async fn what_is_no_server_is_said() {
    let (code, stdout, _) =
        ended(cycles(&["doctor", "--base-url", "http://127.0.0.1:1"]).env("NO_PROXY", "*")).await;
    assert_eq!(code, Some(1));
    assert!(stdout.contains("FAIL  server") && stdout.contains("cycles serve"), "{stdout}");
}
