//! What callers see, and what leaves the process, while the authority is slow,
//! failing or out of reach. Time is a manual clock; the authority is a scripted
//! HTTP server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cycles_protocol::Operation;
use cycles_testkit::{Effect, Fault, ManualClock, TestServer, Transport};
use runcycles::models::{
    Action, Amount, BalanceParams, CommitRequest, CommitStatus, Decision, ErrorCode,
    ReservationCreateRequest, Subject,
};
use runcycles::{
    CircuitState, CyclesClient, CyclesClientBuilder, Error, JournalSync, OnUnreachable,
    ReservationGuard, Settlement, SettlementMode, SettlementOutcome, SettlementReport,
    WithCyclesConfig, with_cycles,
};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const CREATE: &str = "/v1/reservations";
const COMMIT: &str = "/v1/reservations/res_1/commit";
const EXTEND: &str = "/v1/reservations/res_1/extend";
const RELEASE: &str = "/v1/reservations/res_1/release";
const EVENTS: &str = "/v1/events";

struct World {
    server: MockServer,
    clock: ManualClock,
    reports: Receiver<SettlementReport>,
    client: CyclesClient,
}

async fn world(settings: impl FnOnce(CyclesClientBuilder) -> CyclesClientBuilder) -> World {
    let (server, clock) = (MockServer::start().await, ManualClock::default());
    let (client, reports) = client(&server, &clock, settings);
    World { server, clock, reports, client }
}

fn client(
    server: &MockServer,
    clock: &ManualClock,
    settings: impl FnOnce(CyclesClientBuilder) -> CyclesClientBuilder,
) -> (CyclesClient, Receiver<SettlementReport>) {
    let (tell, reports) = channel();
    let builder = CyclesClient::builder("key", server.uri())
        .tenant("acme")
        .journal_enabled(false)
        .clock(Arc::new(clock.clone()))
        .on_settlement(move |report| {
            let _ = tell.send(report.clone());
        });
    (settings(builder).build(), reports)
}

fn journalled(builder: CyclesClientBuilder, journal: &Path) -> CyclesClientBuilder {
    builder.journal_enabled(true).journal_dir(journal).journal_sync(JournalSync::Process)
}

/// Its journal is named after the key.
fn without_tenant(mut builder: CyclesClientBuilder) -> CyclesClientBuilder {
    builder.config_mut().tenant = None;
    builder.app("a")
}

fn request() -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .estimate(Amount::tokens(5))
        .build()
}

fn spent(tokens: i64) -> CommitRequest {
    CommitRequest::builder().actual(Amount::tokens(tokens)).build()
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn created() -> ResponseTemplate {
    ok(json!({
        "decision": "ALLOW", "reservation_id": "res_1", "affected_scopes": ["tenant:acme"],
        "expires_at_ms": 1_800_000_060_000_i64, "remaining_ttl_ms": 60_000
    }))
}

fn committed() -> ResponseTemplate {
    ok(json!({"status": "COMMITTED", "charged": {"unit": "TOKENS", "amount": 5}}))
}

fn applied() -> ResponseTemplate {
    ResponseTemplate::new(201).set_body_json(json!({"status": "APPLIED", "event_id": "evt_1"}))
}

fn refused(status: u16, code: &str) -> ResponseTemplate {
    let body = json!({"error": code, "message": "no", "request_id": "req-1"});
    ResponseTemplate::new(status).set_body_json(body)
}

fn down() -> ResponseTemplate {
    refused(503, "INTERNAL_ERROR")
}

/// Real time for what no clock drives: sockets.
async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        let _ = tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
    }
    panic!("{what} does not come");
}

impl World {
    async fn answers(&self, at: &str, response: ResponseTemplate) {
        Mock::given(method("POST")).and(path(at)).respond_with(response).mount(&self.server).await;
    }

    async fn answers_first(&self, at: &str, times: u64, response: ResponseTemplate) {
        let mock = Mock::given(method("POST")).and(path(at)).respond_with(response);
        mock.up_to_n_times(times).with_priority(1).mount(&self.server).await;
    }

    async fn requests(&self, at: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|request| request.url.path() == at).collect()
    }

    async fn count(&self, at: &str) -> usize {
        self.requests(at).await.len()
    }

    async fn bodies(&self, at: &str) -> Vec<Value> {
        self.requests(at).await.iter().map(|request| request.body_json().unwrap()).collect()
    }

    async fn guard(&self) -> ReservationGuard {
        self.client.reserve(request()).await.unwrap()
    }

    /// A guarded call, and whether its work ran.
    async fn guarded(&self) -> (Result<(), Error>, bool) {
        let mut ran = false;
        let config = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
        let result = with_cycles(&self.client, config, |_| {
            ran = true;
            async { Ok(((), Amount::tokens(7))) }
        })
        .await;
        (result, ran)
    }

    /// Moves the clock until the background has nothing left to do.
    async fn settle(&self) {
        for _ in 0..200 {
            let soon = Duration::from_millis(20);
            if self.client.flush_pending_commits_with_timeout(soon).await == 0 {
                return;
            }
            self.clock.advance(Duration::from_secs(5));
        }
        panic!("settlement does not end");
    }

    fn outcomes(&self) -> Vec<(SettlementOutcome, String)> {
        let reports = self.reports.try_iter();
        reports.map(|report| (report.outcome, report.reservation_id.to_string())).collect()
    }

    async fn report(&self) -> SettlementReport {
        let found = std::cell::RefCell::new(None);
        until("a report", || async {
            let report = self.reports.try_recv().ok();
            let came = report.is_some();
            *found.borrow_mut() = report;
            came
        })
        .await;
        found.into_inner().unwrap()
    }

    /// An authority that has failed for long enough.
    async fn open_circuit(&self) {
        for _ in 0..10 {
            self.clock.advance(Duration::from_millis(500));
            let _ = self.client.reserve(request()).await;
            if self.client.circuit() != CircuitState::Closed {
                return;
            }
        }
        panic!("the circuit stays closed");
    }
}

fn background(builder: CyclesClientBuilder) -> CyclesClientBuilder {
    builder.settlement(SettlementMode::Background)
}

// Settlement in the background

#[tokio::test]
async fn background_settlement_is_not_waited_for_and_its_outcome_is_reported() {
    let world = world(background).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed().set_delay(Duration::from_millis(100))).await;
    let outcome = world.guard().await.settle(spent(5)).await;
    assert!(matches!(outcome, Settlement::Queued), "{outcome:?}");
    assert!(world.outcomes().is_empty());
    assert_eq!(world.client.flush_pending_commits_with_timeout(Duration::ZERO).await, 1);
    assert_eq!(world.client.flush_pending_commits().await, 0);
    assert_eq!(world.count(COMMIT).await, 1);
    assert_eq!(world.outcomes(), [(SettlementOutcome::Committed, "res_1".to_owned())]);
}

#[tokio::test]
async fn background_settlement_returns_once_the_journal_has_it() {
    let journal = tempfile::tempdir().unwrap();
    let world = world(|builder| background(journalled(builder, journal.path()))).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed().set_delay(Duration::from_millis(100))).await;
    let outcome = world.guard().await.settle(spent(5)).await;
    assert!(matches!(outcome, Settlement::Queued), "{outcome:?}");
    assert_eq!(world.client.journal_stats().unwrap().depth, 1);
    assert_eq!(world.client.flush_pending_commits().await, 0);
    assert_eq!(world.client.journal_stats().unwrap().depth, 0);
}

#[tokio::test]
async fn a_background_settlement_that_is_refused_or_retained_is_reported() {
    for (status, code, journal, expected) in [
        (409, "IDEMPOTENCY_MISMATCH", true, SettlementOutcome::Refused),
        (401, "UNAUTHORIZED", true, SettlementOutcome::Retained),
        (401, "UNAUTHORIZED", false, SettlementOutcome::Refused),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let world = world(|builder| {
            let builder = background(builder);
            if journal { journalled(builder, directory.path()) } else { builder }
        })
        .await;
        world.answers(CREATE, created()).await;
        world.answers(COMMIT, refused(status, code)).await;
        world.guard().await.settle(spent(5)).await;
        let report = world.report().await;
        assert_eq!((report.outcome, report.reservation_id.as_str()), (expected, "res_1"));
        assert_eq!(report.error.unwrap().code(), ErrorCode::parse(code));
    }
}

#[tokio::test]
async fn a_commit_that_is_called_by_hand_is_waited_for_in_background_mode_too() {
    let world = world(background).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed()).await;
    let response = world.guard().await.commit(spent(5)).await.unwrap();
    assert_eq!(response.status, CommitStatus::Committed);
    assert!(world.outcomes().is_empty(), "the caller knows");
}

#[tokio::test]
async fn a_callback_that_panics_stops_nothing() {
    let world = world(|builder| background(builder).on_settlement(|_| panic!("boom"))).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed()).await;
    for _ in 0..2 {
        world.guard().await.settle(spent(5)).await;
        assert_eq!(world.client.flush_pending_commits().await, 0);
    }
    assert_eq!(world.count(COMMIT).await, 2);
}

#[tokio::test]
async fn background_settlements_ask_a_bounded_number_at_once() {
    const SEED: &str = "
keys: [{name: default, secret: cyc_test, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 100000}]";
    let clock = ManualClock::default();
    let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
    let builder = background(CyclesClient::builder("", "").tenant("acme"));
    let client = server.client_with(builder, None, Transport::Http).unwrap();
    let held = Effect::Delay(Duration::from_secs(1));
    server.inject(Fault::new(Operation::Commit, held).times(100)).unwrap();
    for _ in 0..100 {
        let guard = client.reserve(request()).await.unwrap();
        assert!(matches!(guard.settle(spent(5)).await, Settlement::Queued));
    }
    let left = || server.pending_faults().first().map_or(0, |fault| fault.times);
    until("the bound", || async { left() == 36 }).await;
    assert_eq!(client.flush_pending_commits_with_timeout(Duration::from_millis(50)).await, 100);
    assert_eq!(left(), 36, "64 are under way, and no more");
    until("the end", || async {
        clock.advance(Duration::from_secs(1));
        client.flush_pending_commits_with_timeout(Duration::from_millis(20)).await == 0
    })
    .await;
    assert_eq!(server.count(Operation::Commit), 100);
    server.shutdown().await.unwrap();
}

// The time of a call in all

#[tokio::test]
async fn a_call_ends_with_its_deadline_and_names_it() {
    let world = world(|builder| builder.call_timeout(Duration::from_secs(3))).await;
    world.answers(CREATE, created().set_delay(Duration::from_secs(60))).await;
    let client = world.client.clone();
    let reserve = tokio::spawn(async move { client.reserve(request()).await.map(drop) });
    until("the request", || async { world.count(CREATE).await == 1 }).await;
    world.clock.advance(Duration::from_secs(3));
    let error = reserve.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("call_timeout_ms=3000"), "{error}");
    assert!(error.to_string().contains("operation=create_reservation"), "{error}");
    assert!(matches!(error, Error::Transport(error) if error.is_outcome_unknown()));
    assert_eq!(world.count(CREATE).await, 1, "there is no time for a second attempt");
}

#[tokio::test]
async fn low_level_calls_have_the_same_deadline() {
    let world = world(|builder| builder.call_timeout(Duration::from_secs(3))).await;
    let slow = ok(json!({"balances": []})).set_delay(Duration::from_secs(60));
    Mock::given(path("/v1/balances")).respond_with(slow).mount(&world.server).await;
    let client = world.client.clone();
    let mut params = BalanceParams::default();
    params.subject = Subject { tenant: Some("acme".into()), ..Subject::default() };
    let read = tokio::spawn(async move { client.get_balances(&params).await });
    until("the request", || async { world.count("/v1/balances").await == 1 }).await;
    world.clock.advance(Duration::from_secs(3));
    let error = read.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("operation=get_balances"), "{error}");
}

#[tokio::test]
async fn a_settlement_goes_on_after_its_caller_s_deadline() {
    let world = world(|builder| builder.call_timeout(Duration::from_secs(3))).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed().set_delay(Duration::from_millis(300))).await;
    let guard = world.guard().await;
    let settle = tokio::spawn(guard.settle(spent(5)));
    until("the request", || async { world.count(COMMIT).await == 1 }).await;
    world.clock.advance(Duration::from_secs(3));
    let outcome = settle.await.unwrap();
    let Settlement::Pending(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.message().contains("call_timeout_ms=3000"), "{error}");
    assert_eq!(world.client.flush_pending_commits().await, 0);
    assert_eq!(world.count(COMMIT).await, 1, "not sent again");
    assert_eq!(world.outcomes(), [(SettlementOutcome::Committed, "res_1".to_owned())]);
}

// The circuit

#[tokio::test]
async fn an_open_circuit_asks_nothing_and_lets_settlement_and_extensions_pass() {
    let world = world(|builder| builder).await;
    world.answers_first(CREATE, 2, created()).await;
    world.answers(CREATE, down()).await;
    world.answers(COMMIT, committed()).await;
    let extended = json!({"status": "ACTIVE", "expires_at_ms": 1_800_000_120_000_i64});
    world.answers(EXTEND, ok(extended)).await;
    let given_back = json!({"status": "RELEASED", "released": {"unit": "TOKENS", "amount": 5}});
    world.answers(RELEASE, ok(given_back)).await;
    world.answers(EVENTS, applied()).await;
    let (one, other) = (world.guard().await, world.guard().await);
    world.open_circuit().await;
    let asked = world.count(CREATE).await;

    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("retry_in_ms="), "{error}");
    assert!(error.retry_after().is_some() && error.is_retryable());
    let Error::Transport(error) = error else { panic!("{error}") };
    assert!(error.is_circuit_open() && !error.is_outcome_unknown());
    assert_eq!(world.count(CREATE).await, asked, "nothing was sent");

    one.extend(60_000).await.unwrap();
    assert!(matches!(one.settle(spent(5)).await, Settlement::Committed(_)));
    other.release("done").await.unwrap();
    let event = runcycles::models::EventCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .actual(Amount::tokens(1))
        .build();
    world.client.create_event(&event).await.unwrap();
    assert_ne!(world.client.circuit(), CircuitState::Closed, "settlement says nothing about it");
}

#[tokio::test]
async fn a_circuit_closes_when_the_authority_answers_again() {
    let world = world(|builder| builder).await;
    world.answers_first(CREATE, 10, down()).await;
    world.answers(CREATE, refused(429, "LIMIT_EXCEEDED")).await;
    world.open_circuit().await;
    world.clock.advance(Duration::from_secs(5));
    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert_eq!(error.status(), Some(429), "throttling is an answer");
    assert_eq!(world.client.circuit(), CircuitState::Closed);
}

#[tokio::test]
async fn an_unclear_create_stays_unclear_when_the_circuit_opens_under_it() {
    let world = world(|builder| builder.circuit_breaker_failures(3)).await;
    world.answers(CREATE, down()).await;
    let _ = world.client.reserve(request()).await;
    world.clock.advance(Duration::from_secs(1));
    // The third failure is the first attempt of this call.
    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert_eq!(error.status(), Some(503), "{error}");
    assert_ne!(world.client.circuit(), CircuitState::Closed);
    assert_eq!(world.count(CREATE).await, 3);
}

#[tokio::test]
async fn calls_that_are_given_up_count_as_failures() {
    let world =
        world(|builder| builder.call_timeout(Duration::from_secs(1)).circuit_breaker_failures(2))
            .await;
    world.answers(CREATE, created().set_delay(Duration::from_secs(60))).await;
    for number in 1..=2 {
        let client = world.client.clone();
        let reserve = tokio::spawn(async move { client.reserve(request()).await.map(drop) });
        until("the request", || async { world.count(CREATE).await == number }).await;
        world.clock.advance(Duration::from_secs(1));
        reserve.await.unwrap().unwrap_err();
    }
    assert_ne!(world.client.circuit(), CircuitState::Closed);
}

#[tokio::test]
async fn a_circuit_breaker_can_be_switched_off() {
    let world = world(|builder| builder.circuit_breaker_failures(0)).await;
    world.answers(CREATE, down()).await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(1));
        let _ = world.client.reserve(request()).await;
    }
    assert_eq!(world.count(CREATE).await, 20);
}

// Work that no authority has seen

fn allow(builder: CyclesClientBuilder) -> CyclesClientBuilder {
    builder.on_unreachable(OnUnreachable::Allow)
}

#[tokio::test]
async fn work_that_was_allowed_unseen_is_booked_as_an_event_when_the_authority_is_back() {
    let world = world(allow).await;
    world.answers(CREATE, down()).await;
    world.answers_first(EVENTS, 2, down()).await;
    world.answers(EVENTS, applied()).await;

    let guard = world.guard().await;
    assert!(guard.is_unseen());
    assert_eq!((guard.decision(), guard.expires_at_ms()), (Decision::Allow, None));
    assert!(guard.reservation_id().as_str().starts_with("offline-"));
    assert!(matches!(guard.extend(1_000).await, Err(Error::Validation(_))));
    let id = guard.reservation_id().to_string();
    assert_eq!(world.client.unseen_work().running, 1);
    let outcome = guard.settle(spent(7)).await;
    assert!(matches!(outcome, Settlement::Queued), "{outcome:?}");
    let work = world.client.unseen_work();
    assert_eq!((work.running, work.unbooked), (0, 1));
    assert_eq!(work.amounts, [Amount::tokens(7)]);
    world.settle().await;

    let events = world.bodies(EVENTS).await;
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event == &events[0]), "one key, one body");
    assert_eq!(events[0]["subject"], json!({"tenant": "acme"}));
    assert_eq!(events[0]["actual"], json!({"unit": "TOKENS", "amount": 7}));
    assert_eq!(events[0]["metadata"]["unseen_id"], id);
    assert_eq!(events[0]["metadata"]["recovery_reason"], "ALLOWED_WHILE_UNREACHABLE");
    assert_eq!(world.count(CREATE).await, 2, "the create's one repeat");
    assert_eq!(world.outcomes(), [(SettlementOutcome::RecoveredViaEvent, id)]);
    assert_eq!(world.client.unseen_work(), runcycles::UnseenWork::default());
}

#[tokio::test]
async fn the_spend_of_unseen_work_survives_the_process() {
    let journal = tempfile::tempdir().unwrap();
    let settings = |builder| allow(journalled(builder, journal.path())).retry_enabled(false);
    let world = world(settings).await;
    world.answers(CREATE, down()).await;
    world.answers(EVENTS, down()).await;
    assert!(matches!(world.guarded().await, (Ok(()), true)));
    until("the first attempt", || async { world.count(EVENTS).await > 0 }).await;
    let refused = world.requests(EVENTS).await;
    world.server.reset().await;
    world.answers(EVENTS, down()).await;
    let World { server, clock, client: first, .. } = world;
    assert_eq!(first.close(Duration::ZERO).await, 1);
    drop(first);

    let record = std::fs::read_dir(journal.path())
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .map(|text| serde_json::from_str::<Value>(&text).unwrap())
        .collect::<Vec<_>>();
    assert_eq!(record.len(), 1, "a record, and nothing besides: {record:?}");
    assert_eq!((&record[0]["version"], &record[0]["mode"]), (&json!(1), &json!("event")));
    assert!(record[0]["reservation_id"].as_str().unwrap().starts_with("offline-"));

    server.reset().await;
    Mock::given(path(EVENTS)).respond_with(applied()).mount(&server).await;
    let (second, reports) = client(&server, &clock, settings);
    assert_eq!(second.flush_pending_commits().await, 0);
    let requests = server.received_requests().await.unwrap();
    let [event] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(event.body, refused[0].body);
    assert_eq!(event.headers["x-idempotency-key"], refused[0].headers["x-idempotency-key"]);
    assert_eq!(reports.try_recv().unwrap().outcome, SettlementOutcome::RecoveredViaEvent);
}

#[tokio::test]
async fn unseen_work_is_bounded_until_it_is_booked() {
    let world = world(|builder| {
        builder
            .circuit_breaker_failures(0)
            .on_unreachable(OnUnreachable::AllowUpTo(Amount::tokens(12)))
    })
    .await;
    world.answers(CREATE, down()).await;
    world.answers_first(EVENTS, 1, down()).await;
    world.answers(EVENTS, applied()).await;
    assert!(matches!(world.guarded().await, (Ok(()), true)));
    // 7 are spent and not booked: the second estimate of 5 fits, a third does not.
    let second = world.guard().await;
    let (result, ran) = world.guarded().await;
    assert!(!ran);
    assert_eq!(result.unwrap_err().status(), Some(503), "the reserve's own error");
    drop(second);
    drop(world.guard().await);
    world.settle().await;
    assert_eq!(world.client.unseen_work().amounts, []);
    assert!(matches!(world.guarded().await, (Ok(()), true)));
    world.settle().await;
    assert_eq!(world.count(EVENTS).await, 3);
    assert_eq!(world.count(RELEASE).await, 0, "there is nothing to release");
}

#[tokio::test]
async fn a_clear_refusal_is_never_overridden() {
    for (status, code) in [(409, "BUDGET_EXCEEDED"), (429, "LIMIT_EXCEEDED"), (401, "UNAUTHORIZED")]
    {
        let world = world(allow).await;
        world.answers(CREATE, refused(status, code)).await;
        let (result, ran) = world.guarded().await;
        assert!(!ran, "{code}");
        assert_eq!(result.unwrap_err().error_code(), Some(ErrorCode::parse(code)));
    }
}

#[tokio::test]
async fn work_is_denied_unless_allowed_and_a_dry_run_always() {
    let denying = world(|builder| builder).await;
    denying.answers(CREATE, down()).await;
    let (result, ran) = denying.guarded().await;
    assert!(!ran && result.unwrap_err().status() == Some(503));
    let allowing = world(allow).await;
    allowing.answers(CREATE, down()).await;
    let mut dry = request();
    dry.dry_run = Some(true);
    assert_eq!(allowing.client.begin(dry).await.map(drop).unwrap_err().status(), Some(503));
}

#[tokio::test]
async fn nobody_there_and_an_open_circuit_are_reasons_too() {
    let clock = ManualClock::default();
    let client = CyclesClient::builder("key", "http://127.0.0.1:1")
        .tenant("acme")
        .journal_enabled(false)
        .clock(Arc::new(clock.clone()))
        .on_unreachable(OnUnreachable::Allow)
        .build();
    for _ in 0..8 {
        let guard = client.reserve(request()).await.unwrap();
        assert!(guard.is_unseen());
        guard.release("done").await.unwrap();
        clock.advance(Duration::from_millis(500));
    }
    assert_ne!(client.circuit(), CircuitState::Closed);
    assert_eq!(client.unseen_work(), runcycles::UnseenWork::default());
}

// Keys and the end

#[tokio::test]
async fn a_new_key_books_at_once_what_the_old_one_could_not() {
    for has_tenant in [true, false] {
        let journal = tempfile::tempdir().unwrap();
        let settings = |builder| {
            let builder = journalled(builder, journal.path());
            if has_tenant { builder } else { without_tenant(builder) }
        };
        let world = world(settings).await;
        world.answers(CREATE, created()).await;
        let commits = || Mock::given(method("POST")).and(path(COMMIT));
        let accepted = commits().and(header("x-cycles-api-key", "new"));
        accepted.respond_with(committed()).mount(&world.server).await;
        commits().respond_with(refused(401, "UNAUTHORIZED")).mount(&world.server).await;

        let outcome = world.guard().await.settle(spent(5)).await;
        assert!(matches!(outcome, Settlement::Pending(_)), "{outcome:?}");
        world.client.clone().set_api_key("new").unwrap();
        let before = world.clock.now_ms();
        until("the commit", || async {
            world.clock.advance(Duration::from_millis(10));
            world.count(COMMIT).await == 2
        })
        .await;
        assert!(world.clock.now_ms() - before < 15_000, "not the timer, whose pause is longer");
        until("its end", || async { world.client.journal_stats().unwrap().depth == 0 }).await;
        assert_eq!(world.outcomes(), [(SettlementOutcome::Committed, "res_1".to_owned())]);
    }
}

#[tokio::test]
async fn without_a_tenant_records_move_to_where_the_new_key_looks() {
    let journal = tempfile::tempdir().unwrap();
    let settings =
        |builder| without_tenant(journalled(builder, journal.path())).retry_enabled(false);
    let world = world(settings).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, down()).await;
    world.guard().await.settle(spent(5)).await;
    world.client.set_api_key("new").unwrap();
    assert_eq!(world.client.close(Duration::from_secs(5)).await, 1);

    world.server.reset().await;
    world.answers(COMMIT, committed()).await;
    let after = CyclesClient::builder("new", world.server.uri());
    let after = journalled(after, journal.path()).retry_enabled(false).build();
    assert_eq!(after.flush_pending_commits().await, 0);
    assert_eq!(world.count(COMMIT).await, 1);
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_refused_and_the_old_one_stays() {
    let world = world(|builder| builder).await;
    world.answers(CREATE, created()).await;
    for key in ["", " ", "a\nb"] {
        let error = world.client.set_api_key(key).unwrap_err().to_string();
        assert!(error.contains("api_key") && !error.contains("a\nb"), "{error}");
    }
    let _guard = world.guard().await;
    assert_eq!(world.requests(CREATE).await[0].headers["x-cycles-api-key"], "key");
}

#[tokio::test]
async fn a_closed_client_takes_no_work_settles_what_is_open_and_leaves_standard_files() {
    let journal = tempfile::tempdir().unwrap();
    let world = world(|builder| journalled(builder, journal.path())).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, down()).await;
    let (open, unclear) = (world.guard().await, world.guard().await);
    unclear.settle(spent(5)).await;
    assert_eq!(world.client.close(Duration::from_millis(50)).await, 1);
    let error = world.client.reserve(request()).await.map(drop).unwrap_err();
    assert!(matches!(&error, Error::Config(message) if message.contains("closed")), "{error}");
    assert!(matches!(open.settle(spent(5)).await, Settlement::Pending(_)));
    let files: Vec<_> = std::fs::read_dir(journal.path())
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(files.iter().all(|name| name.starts_with("v2-") && name.ends_with(".json")));
}
