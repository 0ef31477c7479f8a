//! `cycles serve`.

use serde_json::json;

use crate::support::{SEED, cycles, end, exchange, file, output, serving};

#[tokio::test]
async fn serve_answers_and_ends_well_on_sigterm() {
    let seed = file("good.yaml", SEED);
    let arguments =
        ["serve", "--store", "memory", "--listen", "127.0.0.1:0", "--seed", seed.to_str().unwrap()];
    let (child, ready) = serving(cycles(&arguments).env("CYCLES_ADMIN_API_KEY", "boss")).await;
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["admin_url"], ready["base_url"]);
    let base_url = ready["base_url"].as_str().unwrap();
    assert!(base_url.starts_with("http://127.0.0.1:"), "{base_url}");

    let reserve = json!({
        "idempotency_key": "k",
        "subject": {"tenant": "acme"},
        "action": {"kind": "llm.completion", "name": "m"},
        "estimate": {"unit": "TOKENS", "amount": 10},
        "ttl_ms": 60000,
    });
    let key = ("x-cycles-api-key", "cyc_test_acme");
    let answer = exchange(base_url, ("POST", "/v1/reservations"), key, &reserve.to_string()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let lookup = "/v1/admin/budgets/lookup?scope=tenant:acme&unit=TOKENS";
    let answer = exchange(base_url, ("GET", lookup), ("x-admin-api-key", "boss"), "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let (code, stdout, stderr) = end(child, "TERM").await;
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert!(!stderr.contains("boss"), "a given key is not logged: {stderr}");
}

#[tokio::test]
async fn without_an_admin_key_one_is_made_and_shown_once() {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let (child, ready) = serving(cycles(&arguments).env("RUST_LOG", "off")).await;
    assert_ne!(ready["admin_url"], ready["base_url"]);
    let (code, _, stderr) = end(child, "INT").await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stderr.matches("cyc_admin_").count(), 1, "{stderr}");
}

#[tokio::test]
async fn a_seed_that_does_not_parse_names_file_line_and_column() {
    let unknown = file("unknown.yaml", "tenants: []\nkeys: []\nbugdets: []\n");
    let broken = file("broken.yaml", "tenants:\n  - {tenant_id: acme\nkeys: [\n");
    let float = file(
        "float.yaml",
        "budgets:\n  - scope: tenant:acme\n    unit: TOKENS\n    allocated: 1.5\n",
    );
    for (path, line) in [(unknown, "line 3"), (broken, "line "), (float, "line 4")] {
        let path = path.to_str().unwrap();
        let (code, stdout, stderr) =
            output(&["serve", "--listen", "127.0.0.1:0", "--seed", path]).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        for part in [path, line, "column"] {
            assert!(stderr.contains(part), "{part:?} is not in {stderr}");
        }
    }
}

#[tokio::test]
async fn an_unreadable_seed_names_the_file() {
    let (code, _, stderr) = output(&["serve", "--seed", "/nowhere/seed.yaml"]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/nowhere/seed.yaml"), "{stderr}");
}

#[tokio::test]
async fn wrong_arguments_end_with_2_and_say_what_is_right() {
    for (arguments, says) in [
        (&["serve", "--store", "redis"][..], "memory"),
        (&["serve", "--listen", "7878"], "127.0.0.1:7878"),
        (&["serve", "--admin-listen", "off"], "none"),
        (&["serve", "--admin-key", ""], "--admin-key"),
        (&["serve", "--sede", "x"], "--seed"),
        (&["sreve"], "serve"),
    ] {
        let (code, stdout, stderr) = output(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_taken_port_says_what_to_do() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = output(&["serve", "--listen", &address]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("--listen"), "{stderr}");
    let (code, _, stderr) =
        output(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", &address]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--admin-listen") && stderr.contains("none"), "{stderr}");
}

#[tokio::test]
async fn help_and_version_are_there() {
    let (code, stdout, _) = output(&["serve", "--help"]).await;
    assert_eq!(code, Some(0));
    for part in ["--seed", "--listen", "CYCLES_ADMIN_API_KEY", "\"event\":\"ready\"", "budgets:"] {
        assert!(stdout.contains(part), "{part:?} is not in {stdout}");
    }
    let (code, stdout, _) = output(&["--version"]).await;
    assert_eq!((code, stdout.trim()), (Some(0), concat!("cycles ", env!("CARGO_PKG_VERSION"))));
}
