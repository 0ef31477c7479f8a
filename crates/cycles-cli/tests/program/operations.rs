//! Metrics, TLS, logs, and how the server ends; and that what docs/operations
//! names exists.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::support::{ACME_KEY, SEED, Server, cycles, end, ended, exchange, file, output, serving};

fn docs(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations").join(name);
    std::fs::read_to_string(path).unwrap()
}

async fn metrics(server: &Server) -> String {
    exchange(&server.base_url, ("GET", "/metrics"), ("accept", "*/*"), "").await
}

/// A server on which everything has happened at least once.
async fn busy() -> Server {
    let server = Server::durable("busy.yaml", SEED).await;
    let id = server.reserve(900).await;
    server.denied(200).await;
    server.operator(&["reservation", "release", &id]).await;
    let id = server.reserve(100).await;
    let key = ("x-cycles-api-key", ACME_KEY);
    let work = r#""subject":{"tenant":"acme"},"action":{"kind":"k","name":"n"}"#;
    for (path, body) in [
        (
            format!("/v1/reservations/{id}/extend"),
            r#"{"idempotency_key":"x","extend_by_ms":1000}"#.to_owned(),
        ),
        (
            format!("/v1/reservations/{id}/commit"),
            r#"{"idempotency_key":"x","actual":{"unit":"TOKENS","amount":90}}"#.to_owned(),
        ),
        (
            "/v1/events".to_owned(),
            format!(r#"{{"idempotency_key":"x",{work},"actual":{{"unit":"TOKENS","amount":10}}}}"#),
        ),
    ] {
        let answer = exchange(&server.base_url, ("POST", &path), key, &body).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
    server
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = busy().await;
    let page = metrics(&server).await;
    assert!(page.contains("application/openmetrics-text"), "{page}");
    let reserve = "cycles_reservations_reserve_total{tenant=\"acme\"";
    for sample in [
        &*format!("{reserve},decision=\"ALLOW\",reason=\"OK\",overage_policy=\"DEFAULT\"}} 2"),
        &*format!(
            "{reserve},decision=\"DENY\",reason=\"BUDGET_EXCEEDED\",overage_policy=\"DEFAULT\"}} 1"
        ),
        "cycles_reservations_commit_total{tenant=\"acme\",decision=\"COMMITTED\",reason=\"OK\"} 1",
        "cycles_reservations_release_total{actor_type=\"admin_on_behalf_of\",decision=\"RELEASED\",reason=\"OK\"} 1",
        "cycles_events_total{tenant=\"acme\",decision=\"ALLOW\",reason=\"OK\",overage_policy=\"DEFAULT\"} 1",
        "cycles_reservations_open{tenant=\"acme\"} 0",
        "cycles_budget_utilization_percent{tenant=\"acme\",scope=\"tenant:acme\",unit=\"TOKENS\"} 10",
        "cycles_budget_remaining{tenant=\"acme\",scope=\"tenant:acme\",unit=\"TOKENS\"} 900",
        "cycles_authority_seconds_count{operation=\"commit\"} 1",
        "cycles_store_backlog 0",
        "cycles_store_read_only 0",
    ] {
        assert!(page.contains(sample), "{sample} is not in {page}");
    }
    assert!(!page.contains(ACME_KEY));
    let figure = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let commits = figure("cycles_store_commits_total ");
    assert!((1..=figure("cycles_store_requests_total ")).contains(&commits), "{page}");
    for histogram in ["apply", "sync"] {
        assert_eq!(figure(&format!("cycles_store_{histogram}_seconds_count ")), commits);
    }
}

#[tokio::test]
async fn tenants_are_told_apart_unless_there_are_too_many() {
    let seed = file("untold.yaml", SEED);
    let mut serve = cycles(&["serve", "--listen", "127.0.0.1:0", "--metrics-tenant-tag", "false"]);
    let (child, ready) = serving(serve.arg("--seed").arg(&seed)).await;
    let url = ready["base_url"].as_str().unwrap();
    let body = r#"{"idempotency_key":"x","subject":{"tenant":"acme"},"action":{"kind":"k","name":"n"},"estimate":{"unit":"TOKENS","amount":1}}"#;
    let key = ("x-cycles-api-key", ACME_KEY);
    let answer = exchange(url, ("POST", "/v1/reservations"), key, body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let page = exchange(url, ("GET", "/metrics"), ("accept", "*/*"), "").await;
    assert!(!page.contains("tenant=") && !page.contains("scope="), "{page}");
    let open = page.lines().find(|line| line.starts_with("cycles_reservations_open"));
    assert!(open.is_some_and(|line| line.ends_with(" 1")), "{page}");
    let reserve = "cycles_reservations_reserve_total{decision=\"ALLOW\"";
    assert!(page.contains(reserve), "{page}");
    drop(child);
}

/// Every `cycles_…` word that an expression has, without a histogram's suffix.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("cycles_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

#[tokio::test]
async fn dashboard_and_alerts_name_metrics_that_exist() {
    let server = busy().await;
    let known = names(&metrics(&server).await);
    let dashboard: Value = serde_json::from_str(&docs("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut used: BTreeSet<String> =
        targets.flat_map(|target| names(target["expr"].as_str().unwrap())).collect();
    used.extend(names(dashboard["templating"]["list"][1]["query"].as_str().unwrap()));
    assert!(used.len() > 10, "{used:?}");
    used.extend(names(&docs("alerts.yaml")));
    // What the page says in one go is written out here.
    let table = docs("README.md").replace("`_", "`cycles_budget_");
    used.extend(names(&table).into_iter().filter(|name| name != "cycles_budget"));
    let missing: Vec<_> = used.iter().filter(|name| !known.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {known:?}");
}

#[tokio::test]
async fn the_units_command_line_is_one_that_the_program_takes() {
    let unit = docs("cycles.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let seed = file("unit.yaml", SEED);
    let line = line.replace("/etc/cycles/seed.yaml", seed.to_str().unwrap());
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let line = line.replace("/var/lib/cycles", data.path().to_str().unwrap());
    let line = line.replace("127.0.0.1:7878", "127.0.0.1:0").replace(" 2000", " 1");
    let arguments: Vec<_> = line.split(' ').skip(1).collect();
    let (child, _) = serving(&mut cycles(&arguments)).await;
    let (code, _, stderr) = end(child, "TERM").await;
    assert_eq!(code, Some(0), "{stderr}");
    for directive in ["NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes"] {
        assert!(unit.contains(directive));
    }
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--metrics", "false"];
    let (_child, ready) = serving(&mut cycles(&arguments)).await;
    let base_url = ready["base_url"].as_str().unwrap();
    let answer = exchange(base_url, ("GET", "/metrics"), ("accept", "*/*"), "").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn logs_are_json_with_request_and_trace_ids() {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
    let (child, ready) = serving(cycles(&arguments).env("RUST_LOG", "debug")).await;
    let base_url = ready["base_url"].as_str().unwrap();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let header = ("x-cycles-trace-id", trace);
    exchange(base_url, ("GET", "/v1/balances?tenant=a"), header, "").await;
    let (_, _, stderr) = end(child, "TERM").await;
    let lines: Vec<Value> =
        stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let answered = lines.iter().find(|line| line["message"] == "request answered");
    let answered = answered.unwrap_or_else(|| panic!("{stderr}"));
    assert!(answered["trace_id"].as_str().unwrap().contains(trace), "{answered}");
    assert!(answered["request_id"].is_string() && answered["status"] == 401, "{answered}");
}

#[tokio::test]
async fn readiness_says_no_before_the_server_stops() {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--drain-delay-ms", "600000"];
    let (mut child, ready) = serving(&mut cycles(&arguments)).await;
    let base_url = ready["base_url"].as_str().unwrap();
    let health = async |what: &str| {
        let path = format!("/actuator/health/{what}");
        exchange(base_url, ("GET", &path), ("accept", "*/*"), "").await
    };
    assert!(health("readiness").await.starts_with("HTTP/1.1 200"));
    let pid = child.id().unwrap().to_string();
    let term = || tokio::process::Command::new("kill").args(["-s", "TERM", &pid]).status();
    term().await.unwrap();
    // The log says when the signal was seen.
    let (mut seen, mut buffer) = (String::new(), [0; 256]);
    while !seen.contains("shutting down") {
        let read = child.stderr.as_mut().unwrap().read(&mut buffer).await.unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    let refused = health("readiness").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("OUT_OF_SERVICE"), "{refused}");
    assert!(health("liveness").await.starts_with("HTTP/1.1 200"), "it still serves");
    let (code, ..) = end(child, "TERM").await;
    assert_eq!(code, Some(0), "a second signal ends the delay");
}

#[tokio::test]
async fn tls_is_spoken_with_the_given_certificate() {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let cert = file("tls-cert.pem", &made.cert.pem());
    let key = file("tls-key.pem", &made.signing_key.serialize_pem());
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
    let (_child, ready) = serving(cycles(&arguments).env("CYCLES_ADMIN_API_KEY", "boss")).await;
    let base_url = ready["base_url"].as_str().unwrap();
    assert!(base_url.starts_with("https://127.0.0.1:"), "{base_url}");

    let list = ["tenant", "list", "--base-url", base_url, "--admin-key", "boss"];
    let trusting = [&list[..], &["--ca-file", cert]].concat();
    let (code, stdout, stderr) = ended(cycles(&trusting).env("NO_PROXY", "*")).await;
    assert_eq!((code, stdout.as_str()), (Some(0), "none\n"), "{stderr}");
    let (code, _, stderr) = ended(cycles(&list).env("NO_PROXY", "*")).await;
    assert_eq!(code, Some(4), "a stranger's certificate is not trusted: {stderr}");

    for (arguments, says) in [
        (&["--tls-cert", cert][..], "--tls-key"),
        (&["--tls-cert", key, "--tls-key", key], "--tls-cert"),
        (&["--tls-cert", cert, "--tls-key", cert], "--tls-key"),
        (&["--tls-cert", "/no/such.pem", "--tls-key", key], "/no/such.pem"),
    ] {
        let serve = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let (code, stdout, stderr) = output(&serve).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn top_shows_budgets_and_denials() {
    let server = busy().await;
    let text = server.operator(&["top", "--once"]).await;
    assert!(text.contains("reserved 2 in all") && text.contains("denied 1 in all"), "{text}");
    assert!(text.contains("tenant:acme") && text.contains("10%"), "{text}");
    assert!(text.contains("BUDGET_EXCEEDED"), "{text}");
    let json = server.operator_json(&["top", "--once", "--tenant", "other"]).await;
    assert_eq!(json["budgets"][0]["scope"], "tenant:other");
}
