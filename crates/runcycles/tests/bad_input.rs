//! Input, settings and servers that make no sense: a typed error that names the
//! field or the fix, never a panic, and never a spend that is lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use cycles_protocol::Operation;
use cycles_testkit::{TestServer, Transport};
use runcycles::models::{
    Action, Amount, CommitOveragePolicy, CommitRequest, EventCreateRequest, IdempotencyKey,
    ReservationCreateRequest, Subject, Unit,
};
use runcycles::{CyclesClient, Error, JournalSync, WithCyclesConfig, with_cycles};
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SEED: &str = "
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]
";

struct World {
    server: TestServer,
    client: CyclesClient,
}

impl World {
    async fn new(transport: Transport) -> Self {
        let server = TestServer::start(SEED).await.unwrap();
        let builder = CyclesClient::builder("", "").tenant("acme");
        let client = server.client_with(builder, None, transport).unwrap();
        Self { server, client }
    }

    /// Remaining, reserved and spent.
    fn budget(&self) -> (i64, i64, i64) {
        let budget = self.server.budget("tenant:acme", Unit::Tokens).unwrap();
        (budget.remaining.amount, budget.reserved.amount, budget.spent.amount)
    }
}

fn reserve(estimate: Amount) -> ReservationCreateRequest {
    ReservationCreateRequest::builder().action(Action::new("llm", "m")).estimate(estimate).build()
}

fn commit(actual: Amount) -> CommitRequest {
    CommitRequest::builder().actual(actual).build()
}

#[test]
fn dollars_that_are_none_are_refused_with_how_to_write_them() {
    for text in [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "-0",
        "+1",
        "1e3",
        "NaN",
        "inf",
        "∞",
        "$1",
        "1,5",
        "1_000",
        "0x1",
        " 1",
        "1 ",
        "٣",
        "0.000000001",
        "92233720368.54775808",
        "99999999999999999999999",
    ] {
        let error = Error::from(Amount::usd(text).unwrap_err());
        let Error::Validation(message) = &error else { panic!("{text:?}: {error:?}") };
        assert!(
            message.contains("like 0.02") && message.contains(&format!("{text:?}")),
            "{message}"
        );
    }
    for (text, microcents) in [("0", 0), ("0.00000001", 1), ("00.02", 2_000_000)] {
        assert_eq!(Amount::usd(text).unwrap(), Amount::usd_microcents(microcents));
    }
}

/// What is refused before anything is sent, and the field that is named.
fn refused_early() -> Vec<(ReservationCreateRequest, &'static str)> {
    let good = || reserve(Amount::tokens(5));
    let subject = |tenant: &str| Subject { tenant: Some(tenant.to_owned()), ..Subject::default() };
    let with = |change: &dyn Fn(&mut ReservationCreateRequest)| {
        let mut request = good();
        change(&mut request);
        request
    };
    vec![
        (reserve(Amount::tokens(-1)), "estimate.amount"),
        (reserve(Amount::tokens(i64::MIN)), "estimate.amount"),
        (reserve(Amount::new(Unit::Unknown, 1)), "estimate.unit"),
        (with(&|request| request.subject = subject("")), "subject.tenant"),
        (with(&|request| request.subject = subject("a/b")), "subject.tenant"),
        (with(&|request| request.subject = subject("tänant")), "subject.tenant"),
        (with(&|request| request.subject = subject(&"a".repeat(129))), "subject.tenant"),
        (with(&|request| request.action = Action::new("k".repeat(65), "n")), "action.kind"),
        (with(&|request| request.action = Action::new("k", "n".repeat(257))), "action.name"),
        (with(&|request| request.ttl_ms = Some(999)), "ttl_ms"),
        (with(&|request| request.ttl_ms = Some(i64::MAX)), "ttl_ms"),
        (with(&|request| request.grace_period_ms = Some(-1)), "grace_period_ms"),
        (with(&|request| request.idempotency_key = IdempotencyKey::new("")), "idempotency_key"),
        (
            with(&|request| request.overage_policy = Some(CommitOveragePolicy::Unknown)),
            "overage_policy",
        ),
    ]
}

#[tokio::test]
async fn reservations_that_make_no_sense_are_refused_before_anything_is_sent() {
    for transport in [Transport::Http, Transport::Local] {
        let world = World::new(transport).await;
        for (request, field) in refused_early() {
            let error = world.client.reserve(request).await.unwrap_err();
            let Error::Validation(message) = &error else { panic!("{field}: {error:?}") };
            assert!(message.contains(&format!("field={field}")), "{field}: {message}");
            assert!(!error.is_retryable());
        }
        assert_eq!(world.server.count(Operation::CreateReservation), 0);
        assert_eq!(world.budget(), (1_000, 0, 0));
    }
}

#[tokio::test]
async fn a_call_without_any_subject_says_which_levels_there_are() {
    let client = CyclesClient::builder("key", "http://127.0.0.1:1").journal_enabled(false).build();
    let error = client.reserve(reserve(Amount::tokens(1))).await.unwrap_err().to_string();
    assert!(error.contains("tenant, workspace, app, workflow, agent, toolset"), "{error}");
}

#[tokio::test]
async fn amounts_at_the_edges_are_decided_and_never_overflow() {
    for transport in [Transport::Http, Transport::Local] {
        let world = World::new(transport).await;
        world.client.reserve(reserve(Amount::tokens(0))).await.unwrap().release("").await.unwrap();
        for _ in 0..2 {
            let denied = world.client.reserve(reserve(Amount::tokens(i64::MAX))).await;
            assert!(denied.unwrap_err().is_budget_exceeded());
        }
        let other = world.client.reserve(reserve(Amount::credits(1))).await.unwrap_err();
        assert!(other.to_string().contains("CREDITS"), "the unit is named: {other}");
        let guard = world.client.reserve(reserve(Amount::tokens(100))).await.unwrap();
        let charged = guard.commit(commit(Amount::tokens(i64::MAX))).await.unwrap().charged;
        assert_eq!((charged.amount, world.budget()), (1_000, (0, 0, 1_000)));
        let event = EventCreateRequest::builder()
            .action(Action::new("llm", "m"))
            .actual(Amount::tokens(i64::MAX))
            .overage_policy(CommitOveragePolicy::Reject)
            .build();
        assert!(world.client.create_event(&event).await.unwrap_err().is_budget_exceeded());
    }
}

#[tokio::test]
async fn an_actual_that_makes_no_sense_is_booked_as_estimated() {
    for transport in [Transport::Http, Transport::Local] {
        for (actual, field) in [
            (Amount::tokens(-1), "actual.amount"),
            (Amount::usd_microcents(5), "actual.unit"),
            (Amount::new(Unit::Unknown, 5), "actual.unit"),
        ] {
            let world = World::new(transport).await;
            let guard = world.client.reserve(reserve(Amount::tokens(100))).await.unwrap();
            let error = guard.commit(commit(actual)).await.unwrap_err();
            let Error::Validation(message) = &error else { panic!("{error:?}") };
            assert!(message.contains(field) && message.contains("estimate"), "{message}");
            assert_eq!(world.budget(), (900, 0, 100));
            let call = WithCyclesConfig::new(Amount::tokens(50));
            let work = |_| async move { Ok(("kept", actual)) };
            assert_eq!(with_cycles(&world.client, call, work).await.unwrap(), "kept");
            assert_eq!(world.budget(), (850, 0, 150));
        }
    }
}

#[tokio::test]
async fn a_guarded_function_that_panics_gives_its_hold_back() {
    let world = World::new(Transport::Http).await;
    let client = world.client.clone();
    let call = tokio::spawn(async move {
        let call = WithCyclesConfig::new(Amount::tokens(100));
        let _: Result<(), _> = with_cycles(&client, call, |_| async { panic!("a bug") }).await;
    });
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(world.client.flush_pending_commits().await, 0);
    assert_eq!(world.budget(), (1_000, 0, 0));
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named_by_the_first_call() {
    for (api_key, base_url, says) in [
        ("key", "", "base_url is not set"),
        ("key", "127.0.0.1:7878", "must start with http://"),
        ("key", "localhost:7878", "must start with http://"),
        ("key", "ftp://h", "must start with http://"),
        ("key", "http://h:port", "not a URL"),
        ("key", "http://h?tenant=acme", "leave out"),
        ("", "http://127.0.0.1:1", "api_key is not set"),
        ("line\nend", "http://127.0.0.1:1", "api_key has characters"),
    ] {
        let client =
            CyclesClient::builder(api_key, base_url).tenant("acme").journal_enabled(false).build();
        let error = client.reserve(reserve(Amount::tokens(1))).await.unwrap_err();
        let Error::Config(message) = &error else { panic!("{base_url}: {error:?}") };
        assert!(message.contains(says), "{base_url}: {message}");
        assert!(!message.contains("line\nend"), "the key is a secret");
    }
}

#[tokio::test]
async fn the_longest_times_are_times() {
    let server = TestServer::start(SEED).await.unwrap();
    let client = CyclesClient::builder(server.api_key(None).unwrap(), server.base_url())
        .tenant("acme")
        .journal_enabled(false)
        .connect_timeout(Duration::MAX)
        .read_timeout(Duration::MAX)
        .retry_initial_delay(Duration::MAX)
        .retry_max_delay(Duration::MAX)
        .retry_multiplier(f64::NAN)
        .build();
    client.reserve(reserve(Amount::tokens(1))).await.unwrap().release("done").await.unwrap();
}

#[tokio::test]
async fn a_base_url_may_have_a_path_and_a_slash() {
    for (prefix, spelled) in [("", ""), ("", "/"), ("/cycles", "/cycles"), ("/a/b", "/a/b/")] {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path(format!("{prefix}/v1/decide")))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"decision": "ALLOW"})))
            .expect(1)
            .mount(&server)
            .await;
        let client = CyclesClient::builder("key", format!("{}{spelled}", server.uri()))
            .tenant("acme")
            .journal_enabled(false)
            .build();
        let ask = runcycles::models::DecisionRequest::builder()
            .action(Action::new("llm", "m"))
            .estimate(Amount::tokens(1))
            .build();
        client.decide(&ask).await.unwrap();
    }
}

fn html(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw("<html>welcome</html>", "text/html")
}

/// Answers that are none, and what the error says.
fn nonsense() -> Vec<(&'static str, ResponseTemplate, &'static str)> {
    let moved = ResponseTemplate::new(302).insert_header("location", "https://elsewhere/");
    let list = ResponseTemplate::new(200).set_body_json(json!([1, 2]));
    let cut = ResponseTemplate::new(200).set_body_raw(r#"{"decision": "ALL"#, "application/json");
    vec![
        ("html 200", html(200), "is base_url an authority?"),
        ("html 404", html(404), "is base_url an authority?"),
        ("html 502", html(502), "is base_url an authority?"),
        ("empty 200", ResponseTemplate::new(200), "is base_url an authority?"),
        ("empty 204", ResponseTemplate::new(204), "status=204"),
        ("empty 500", ResponseTemplate::new(500), "status=500"),
        ("redirect", moved, "location=https://elsewhere/"),
        ("list", list, "status=200"),
        ("cut", cut, "status=200"),
    ]
}

#[tokio::test]
async fn servers_that_are_no_authority_are_told_apart_from_refusals() {
    for (name, answer, says) in nonsense() {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let client = CyclesClient::builder("key", server.uri())
            .tenant("acme")
            .journal_enabled(false)
            .build();
        let error = client.reserve(reserve(Amount::tokens(5))).await.unwrap_err();
        assert!(error.is_outcome_unknown() && error.error_code().is_none(), "{name}: {error:?}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        let api = matches!(error, Error::Api { code: None, .. });
        assert!(api || matches!(error, Error::Deserialization(_)), "{name}: {error:?}");
    }
}

async fn spend(server: &MockServer, journal: &Path) -> (CyclesClient, Result<(), Error>) {
    let created = ResponseTemplate::new(200).set_body_json(json!({
        "decision": "ALLOW", "reservation_id": "res_1", "affected_scopes": ["tenant:acme"],
        "expires_at_ms": 1_800_000_060_000_i64, "remaining_ttl_ms": 60_000
    }));
    let create = Mock::given(path("/v1/reservations")).respond_with(created);
    create.mount(server).await;
    let client = CyclesClient::builder("key", server.uri())
        .tenant("acme")
        .journal_dir(journal)
        .journal_sync(JournalSync::Process)
        .retry_enabled(false)
        .build();
    let guard = client.reserve(reserve(Amount::tokens(5))).await.unwrap();
    let committed = guard.commit(commit(Amount::tokens(5))).await;
    (client, committed.map(|_| ()))
}

#[tokio::test]
async fn a_spend_survives_servers_that_are_no_authority() {
    for (name, answer, _) in nonsense() {
        let (server, journal) = (MockServer::start().await, tempfile::tempdir().unwrap());
        let at = path("/v1/reservations/res_1/commit");
        Mock::given(at).respond_with(answer).up_to_n_times(1).mount(&server).await;
        let (client, committed) = spend(&server, journal.path()).await;
        let Err(Error::CommitPending { reservation_id, last_error }) = &committed else {
            panic!("{name}: {committed:?}")
        };
        assert_eq!(reservation_id, "res_1");
        assert!(last_error.is_outcome_unknown(), "{name}: {last_error:?}");
        assert_eq!(client.journal_stats().unwrap().depth, 1, "{name}");
        let done = json!({"status": "COMMITTED", "charged": {"unit": "TOKENS", "amount": 5}});
        Mock::given(path("/v1/reservations/res_1/commit"))
            .respond_with(ResponseTemplate::new(200).set_body_json(done))
            .mount(&server)
            .await;
        assert_eq!(client.flush_pending_commits().await, 0, "{name}");
        let requests = server.received_requests().await.unwrap();
        let bodies: Vec<_> = requests
            .iter()
            .filter(|request| request.url.path().ends_with("/commit"))
            .map(|request| request.body.clone())
            .collect();
        assert_eq!(bodies.len(), 2, "{name}");
        assert_eq!(bodies[0], bodies[1], "{name}: the same key");
    }
}
