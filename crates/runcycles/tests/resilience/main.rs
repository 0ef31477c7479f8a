//! What callers see, and what leaves the process, while the authority is slow,
//! failing or out of reach. Time is a manual clock; the authority is a scripted
//! HTTP server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod background;
mod circuit;
mod credentials;
mod deadline;
mod unseen;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cycles_protocol::Operation;
use cycles_testkit::{Effect, Fault, ManualClock, TestServer, Transport};
use runcycles::models::{
    Action, Amount, BalanceParams, CommitRequest, CommitStatus, Decision, ErrorCode,
    ReservationCreateRequest,
};
use runcycles::{
    CircuitState, CyclesClient, CyclesClientBuilder, Error, JournalSync, Nested, OnUnreachable,
    ReservationGuard, Settlement, SettlementMode, SettlementOutcome, SettlementReport,
    StreamOptions, WithCyclesConfig, with_cycles,
};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const CREATE: &str = "/v1/reservations";
const COMMIT: &str = "/v1/reservations/res_1/commit";
const EXTEND: &str = "/v1/reservations/res_1/extend";
const RELEASE: &str = "/v1/reservations/res_1/release";
const EVENTS: &str = "/v1/events";

/// A scripted authority and a client of it.
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
