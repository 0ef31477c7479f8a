//! What leaves the process when answers are lost, late, refused or malformed.
//! Time is a manual clock; the authority is a scripted HTTP server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use cycles_testkit::ManualClock;
use runcycles::models::{
    Amount, CommitRequest, CommitStatus, ErrorCode, ReservationCreateRequest, Subject,
};
use runcycles::{
    CyclesClient, Error, GuardContext, GuardedError, HeartbeatDisposition, Settlement,
    WithCyclesConfig, with_cycles,
};
use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const COMMIT: &str = "/v1/reservations/res_1/commit";
const EXTEND: &str = "/v1/reservations/res_1/extend";
const RELEASE: &str = "/v1/reservations/res_1/release";

async fn must_not_run(_: GuardContext) -> Result<((), Amount), GuardedError> {
    panic!("must not run")
}

struct Setup {
    server: MockServer,
    client: CyclesClient,
    clock: ManualClock,
}

async fn setup() -> Setup {
    let server = MockServer::start().await;
    let clock = ManualClock::default();
    let client = CyclesClient::builder("key", server.uri())
        .tenant("acme")
        .journal_enabled(false)
        .clock(Arc::new(clock.clone()))
        .build();
    Mock::given(method("POST"))
        .and(path("/v1/reservations"))
        .respond_with(created())
        .mount(&server)
        .await;
    Mock::given(method("POST")).and(path(RELEASE)).respond_with(released()).mount(&server).await;
    Setup { server, client, clock }
}

fn created() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "decision": "ALLOW", "reservation_id": "res_1", "affected_scopes": ["tenant:acme"],
        "expires_at_ms": 1_800_000_060_000_i64, "remaining_ttl_ms": 60_000, "from_the_future": true
    }))
}

fn committed() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "status": "COMMITTED", "charged": {"unit": "TOKENS", "amount": 5}, "from_the_future": {"a": 1}
    }))
}

fn released() -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"status": "RELEASED", "released": {"unit": "TOKENS", "amount": 5}}))
}

fn refused(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({
        "error": code, "message": "no", "request_id": "req-1", "trace_id": "0af7651916cd43dd8448eb211c80319c"
    }))
}

impl Setup {
    /// Answers `path` with each response once, and with the last one for ever.
    async fn answers(&self, at: &str, responses: Vec<ResponseTemplate>) {
        let last = responses.len() - 1;
        for (index, response) in responses.into_iter().enumerate() {
            let mock = Mock::given(method("POST")).and(path(at)).respond_with(response);
            let mock = if index == last { mock } else { mock.up_to_n_times(1) };
            mock.mount(&self.server).await;
        }
    }

    async fn requests(&self, at: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|request| request.url.path() == at).collect()
    }

    async fn bodies(&self, at: &str) -> Vec<Value> {
        self.requests(at).await.iter().map(|request| request.body_json().unwrap()).collect()
    }

    async fn guarded(&self) -> Result<&'static str, Error> {
        let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
        with_cycles(&self.client, config, |_| async { Ok(("done", Amount::tokens(5))) }).await
    }

    /// Moves the clock until the background has nothing left to do.
    async fn settle(&self) {
        for _ in 0..200 {
            if self.client.flush_pending_commits_with_timeout(Duration::from_millis(20)).await == 0
            {
                return;
            }
            self.clock.advance(Duration::from_secs(5));
        }
        panic!("settlement does not end");
    }
}

#[tokio::test]
async fn an_unclear_commit_is_repeated_with_the_same_key_and_the_result_is_not_held_hostage() {
    let setup = setup().await;
    let html = ResponseTemplate::new(502).set_body_string("<html>bad gateway</html>");
    let other_success = ResponseTemplate::new(200).set_body_json(json!({"status": "DONE"}));
    setup
        .answers(COMMIT, vec![html, other_success, refused(500, "INTERNAL_ERROR"), committed()])
        .await;

    assert_eq!(setup.guarded().await.unwrap(), "done");
    setup.settle().await;

    let bodies = setup.bodies(COMMIT).await;
    assert_eq!(bodies.len(), 4);
    assert!(bodies.iter().all(|body| body == &bodies[0]), "{bodies:?}");
    assert!(setup.requests(RELEASE).await.is_empty(), "unclear is never released");
}

#[tokio::test]
async fn an_expired_commit_becomes_an_event_with_the_same_key() {
    let setup = setup().await;
    setup.answers(COMMIT, vec![refused(410, "RESERVATION_EXPIRED")]).await;
    let applied =
        ResponseTemplate::new(201).set_body_json(json!({"status": "APPLIED", "event_id": "evt_1"}));
    setup.answers("/v1/events", vec![refused(503, "INTERNAL_ERROR"), applied]).await;

    let request = ReservationCreateRequest::builder()
        .action(runcycles::models::Action::new("llm", "m"))
        .estimate(Amount::tokens(5))
        .build();
    let guard = setup.client.reserve(request).await.unwrap();
    let outcome = guard.settle(CommitRequest::builder().actual(Amount::tokens(5)).build()).await;
    assert!(matches!(outcome, Settlement::Pending(_)), "{outcome:?}");
    setup.settle().await;

    let (commits, events) = (setup.bodies(COMMIT).await, setup.bodies("/v1/events").await);
    assert_eq!(
        (commits.len(), events.len()),
        (1, 2),
        "once expired, the commit is not tried again"
    );
    assert_eq!(events[1]["idempotency_key"], commits[0]["idempotency_key"]);
    assert_eq!(events[1]["subject"], json!({"tenant": "acme"}));
    assert_eq!(events[1]["action"]["kind"], "llm");
    assert_eq!(events[1]["actual"], json!({"unit": "TOKENS", "amount": 5}));
    assert_eq!(events[1]["metadata"]["recovered_reservation_id"], "res_1");
}

#[tokio::test]
async fn commit_says_when_it_was_recovered_via_an_event() {
    let setup = setup().await;
    setup.answers(COMMIT, vec![refused(410, "RESERVATION_EXPIRED")]).await;
    let applied =
        ResponseTemplate::new(201).set_body_json(json!({"status": "APPLIED", "event_id": "evt_1"}));
    setup.answers("/v1/events", vec![applied]).await;
    let request = ReservationCreateRequest::builder()
        .action(runcycles::models::Action::new("llm", "m"))
        .estimate(Amount::tokens(5))
        .build();
    let guard = setup.client.reserve(request).await.unwrap();
    let response =
        guard.commit(CommitRequest::builder().actual(Amount::tokens(5)).build()).await.unwrap();
    assert_eq!(response.status, CommitStatus::RecoveredViaEvent);
}

#[tokio::test]
async fn an_understood_refusal_is_final_and_releases_nothing() {
    for code in ["RESERVATION_FINALIZED", "IDEMPOTENCY_MISMATCH", "BUDGET_EXCEEDED"] {
        let setup = setup().await;
        setup.answers(COMMIT, vec![refused(409, code)]).await;
        assert_eq!(setup.guarded().await.unwrap(), "done");
        setup.settle().await;
        assert_eq!(setup.requests(COMMIT).await.len(), 1, "{code}");
        assert!(setup.requests(RELEASE).await.is_empty(), "{code}");
    }
}

#[tokio::test]
async fn retry_after_is_kept() {
    let setup = setup().await;
    let throttled = refused(429, "LIMIT_EXCEEDED").insert_header("retry-after", "60");
    setup.answers(COMMIT, vec![throttled, committed()]).await;
    setup.guarded().await.unwrap();
    setup.clock.advance(Duration::from_secs(59));
    assert_eq!(setup.client.flush_pending_commits_with_timeout(Duration::from_millis(50)).await, 1);
    assert_eq!(setup.requests(COMMIT).await.len(), 1);
    setup.clock.advance(Duration::from_secs(1));
    assert_eq!(setup.client.flush_pending_commits().await, 0);
    assert_eq!(setup.requests(COMMIT).await.len(), 2);
}

#[tokio::test]
async fn a_cancelled_caller_does_not_stop_a_commit() {
    let setup = setup().await;
    let slow = committed().set_delay(Duration::from_millis(100));
    setup.answers(COMMIT, vec![slow]).await;
    let request = ReservationCreateRequest::builder()
        .action(runcycles::models::Action::new("llm", "m"))
        .estimate(Amount::tokens(5))
        .build();
    let guard = setup.client.reserve(request).await.unwrap();
    let commit = guard.settle(CommitRequest::builder().actual(Amount::tokens(5)).build());
    assert!(
        tokio::time::timeout(Duration::from_millis(10), commit).await.is_err(),
        "cancelled while waiting"
    );
    assert_eq!(setup.client.flush_pending_commits().await, 0);
    assert_eq!(setup.requests(COMMIT).await.len(), 1);
    assert!(setup.requests(RELEASE).await.is_empty());
}

#[tokio::test]
async fn a_failed_function_releases_and_its_error_comes_through_untouched() {
    #[derive(Debug, thiserror::Error)]
    #[error("boom")]
    struct Boom;

    let setup = setup().await;
    let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
    let error =
        with_cycles(&setup.client, config, |_| async { Err::<((), Amount), _>(Boom.into()) }).await;
    let Err(Error::Guarded(error)) = error else { panic!("{error:?}") };
    assert!(error.downcast_ref::<Boom>().is_some());
    assert_eq!(setup.requests(RELEASE).await.len(), 1);
    assert!(setup.requests(COMMIT).await.is_empty());
}

#[tokio::test]
async fn a_dropped_guard_releases_and_flush_waits_for_it() {
    let setup = setup().await;
    let request = ReservationCreateRequest::builder()
        .action(runcycles::models::Action::new("llm", "m"))
        .estimate(Amount::tokens(5))
        .build();
    drop(setup.client.reserve(request).await.unwrap());
    assert_eq!(setup.client.flush_pending_commits().await, 0);
    assert_eq!(setup.requests(RELEASE).await.len(), 1);
}

#[tokio::test]
async fn an_unclear_create_is_repeated_once_with_the_same_key() {
    let server = MockServer::start().await;
    Mock::given(path_regex("^/v1")).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    let client =
        CyclesClient::builder("key", server.uri()).tenant("acme").journal_enabled(false).build();
    let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
    let result = with_cycles(&client, config, must_not_run).await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Api { status: 503, code: None, .. }), "{error:?}");
    assert!(error.is_outcome_unknown() && error.is_retryable());
    let requests = server.received_requests().await.unwrap();
    let keys: Vec<_> =
        requests.iter().map(|request| request.headers["x-idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_denial_is_typed_and_the_function_never_runs() {
    for (code, budget_exceeded) in [("BUDGET_EXCEEDED", true), ("DEBT_OUTSTANDING", false)] {
        let server = MockServer::start().await;
        Mock::given(path_regex("^/v1")).respond_with(refused(409, code)).mount(&server).await;
        let client = CyclesClient::builder("key", server.uri())
            .tenant("acme")
            .journal_enabled(false)
            .build();
        let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
        let result = with_cycles(&client, config, must_not_run).await;
        let error = result.unwrap_err();
        assert_eq!(error.error_code(), Some(ErrorCode::parse(code)));
        assert_eq!(matches!(error, Error::BudgetExceeded { .. }), budget_exceeded);
        assert_eq!(error.request_id(), Some("req-1"));
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "a refusal is not repeated");
    }
}

#[tokio::test]
async fn a_failed_extension_is_repeated_with_the_same_key_and_the_lease_is_kept() {
    let setup = setup().await;
    let extended = ResponseTemplate::new(200).set_body_json(json!({
        "status": "ACTIVE", "expires_at_ms": 1_800_000_120_000_i64, "remaining_ttl_ms": 60_000
    }));
    setup.answers(EXTEND, vec![refused(500, "INTERNAL_ERROR"), extended]).await;
    setup.answers(COMMIT, vec![committed()]).await;

    let request = ReservationCreateRequest::builder()
        .action(runcycles::models::Action::new("llm", "m"))
        .estimate(Amount::tokens(5))
        .build();
    let (reports, reported) = std::sync::mpsc::channel();
    let client = CyclesClient::builder("key", setup.server.uri())
        .tenant("acme")
        .journal_enabled(false)
        .clock(Arc::new(setup.clock.clone()))
        .on_heartbeat_failure(move |failure| reports.send(failure.clone()).unwrap())
        .build();
    let guard = client.reserve(request).await.unwrap();
    // The first extension is due at 55,000: the lead of 60,000 less two attempts
    // of 2,000 and a margin of 1,000.
    setup.clock.advance(Duration::from_secs(55));
    for _ in 0..200 {
        if guard.expires_at_ms() == Some(1_800_000_120_000) {
            break;
        }
        // Real time for the answers to arrive; the lease's time is the manual clock.
        let _ = tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
        if setup.clock_ms() < 57_000 {
            setup.clock.advance(Duration::from_millis(50));
        }
    }
    assert_eq!(guard.expires_at_ms(), Some(1_800_000_120_000));
    let keys: Vec<_> =
        setup.bodies(EXTEND).await.iter().map(|body| body["idempotency_key"].clone()).collect();
    assert!(keys.len() >= 2 && keys[0] == keys[1], "{keys:?}");
    let failure = reported.try_recv().unwrap();
    assert_eq!(failure.reservation_id.as_str(), "res_1");
    assert_eq!(failure.error.unwrap().status(), Some(500));
    assert_eq!(failure.disposition, HeartbeatDisposition::Repeats);
    guard.commit(CommitRequest::builder().actual(Amount::tokens(5)).build()).await.unwrap();
}

impl Setup {
    fn clock_ms(&self) -> u128 {
        use cycles_protocol::Clock;
        self.clock.monotonic().as_millis()
    }
}

#[tokio::test]
async fn configured_subject_levels_fill_what_a_call_leaves_out() {
    let setup = setup().await;
    setup.answers(COMMIT, vec![committed()]).await;
    let subject = Subject { agent: Some("bot".into()), ..Subject::default() };
    let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m").subject(subject);
    with_cycles(&setup.client, config, |_| async { Ok(((), Amount::tokens(5))) }).await.unwrap();
    assert_eq!(
        setup.bodies("/v1/reservations").await[0]["subject"],
        json!({"tenant": "acme", "agent": "bot"})
    );
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_sent() {
    let setup = setup().await;
    for (config, field) in [
        (WithCyclesConfig::new(Amount::tokens(-1)), "estimate.amount"),
        (WithCyclesConfig::new(Amount::tokens(1)).ttl_ms(10), "ttl_ms"),
        (WithCyclesConfig::new(Amount::tokens(1)).action("k".repeat(65), "n"), "action.kind"),
        (
            WithCyclesConfig::new(Amount::tokens(1))
                .subject(Subject { tenant: Some("a/b".into()), ..Subject::default() }),
            "subject.tenant",
        ),
    ] {
        let result = with_cycles(&setup.client, config, must_not_run).await;
        let Err(Error::Validation(message)) = result else { panic!("{field}: {result:?}") };
        assert!(message.contains(field), "{message}");
    }
    assert!(setup.server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_there_says_what_to_check() {
    let client = CyclesClient::builder("key", "http://127.0.0.1:1")
        .tenant("acme")
        .journal_enabled(false)
        .build();
    let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
    let error =
        with_cycles(&client, config, |_| async { Ok(((), Amount::tokens(1))) }).await.unwrap_err();
    assert!(error.to_string().contains("is it running? base_url=http://127.0.0.1:1"), "{error}");
}
