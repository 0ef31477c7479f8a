//! Records as other SDKs write them, against a scripted HTTP server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use cycles_protocol::{Operation, RawRequest};
use runcycles::models::Amount;
use runcycles::{CyclesClient, JournalSync, WithCyclesConfig, with_cycles};
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const COMMIT: &str = "/v1/reservations/res_1/commit";

async fn server() -> MockServer {
    let server = MockServer::start().await;
    let created = ResponseTemplate::new(200).set_body_json(json!({
        "decision": "ALLOW", "reservation_id": "res_1", "affected_scopes": ["tenant:acme"],
        "expires_at_ms": 1_800_000_060_000_i64, "remaining_ttl_ms": 60_000
    }));
    Mock::given(method("POST"))
        .and(path("/v1/reservations"))
        .respond_with(created)
        .mount(&server)
        .await;
    let down = ResponseTemplate::new(503);
    Mock::given(path(COMMIT)).respond_with(down).up_to_n_times(1).mount(&server).await;
    let committed = ResponseTemplate::new(200)
        .set_body_json(json!({"status": "COMMITTED", "charged": {"unit": "TOKENS", "amount": 5}}));
    Mock::given(path(COMMIT)).respond_with(committed).mount(&server).await;
    server
}

fn client(base_url: &str, journal: &Path, retries: bool) -> CyclesClient {
    CyclesClient::builder("key", base_url)
        .tenant("acme")
        .journal_dir(journal)
        .journal_sync(JournalSync::Process)
        .retry_enabled(retries)
        .build()
}

async fn spend(client: &CyclesClient) {
    let call = WithCyclesConfig::new(Amount::tokens(5));
    with_cycles(client, call, |_| async { Ok(((), Amount::tokens(5))) }).await.unwrap();
}

fn records(journal: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(journal).unwrap();
    folders
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .collect()
}

#[tokio::test]
async fn what_another_sdk_wrote_is_sent_byte_for_byte() {
    let (server, journal) = (server().await, tempfile::tempdir().unwrap());
    let before = client(&server.uri(), journal.path(), false);
    spend(&before).await;
    let [record] = &records(journal.path())[..] else { panic!("not one record") };
    let body = r#"{ "idempotency_key": "k 1", "actual": {"amount": 5, "unit": "TOKENS"}, "later": [1.0e2] }"#;
    let foreign = format!(r#"{{"reservation_id": "res_1", "version": 1, "commit_body": {body}}}"#);
    fs::write(record, foreign).unwrap();

    let after = client(&server.uri(), journal.path(), true);
    assert_eq!(after.flush_pending_commits().await, 0);
    let requests = server.received_requests().await.unwrap();
    let last = requests.iter().rev().find(|request| request.url.path() == COMMIT).unwrap();
    assert_eq!(String::from_utf8_lossy(&last.body), body);
    assert!(records(journal.path()).is_empty());
}

#[tokio::test]
async fn an_address_has_one_journal_however_it_is_spelled() {
    let (server, journal) = (server().await, tempfile::tempdir().unwrap());
    spend(&client(&server.uri(), journal.path(), false)).await;
    assert_eq!(records(journal.path()).len(), 1);
    let slash = client(&format!("{}/", server.uri()), journal.path(), true);
    assert_eq!(slash.flush_pending_commits().await, 0);
    assert!(records(journal.path()).is_empty());
}

#[tokio::test]
async fn without_retries_a_record_waits_for_a_start_or_a_flush() {
    let (server, journal) = (server().await, tempfile::tempdir().unwrap());
    let client = client(&server.uri(), journal.path(), false);
    spend(&client).await;
    // Further calls are no start.
    for _ in 0..200 {
        client.send(RawRequest::new(Operation::Decide, b"{}".to_vec())).await.unwrap();
    }
    assert_eq!(client.journal_stats().unwrap().depth, 1);
    assert_eq!(client.flush_pending_commits().await, 0);
    assert_eq!(client.journal_stats().unwrap().depth, 0);
}
