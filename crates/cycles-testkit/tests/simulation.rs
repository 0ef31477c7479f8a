//! The engine against the oracle, a short run; and the oracle against engines
//! that are broken on purpose.

use std::sync::Arc;

use cycles_engine::Engine;
use cycles_protocol::authority::Answered;
use cycles_protocol::control::{BudgetFundingRequest, BudgetRef, FundingOperation};
use cycles_protocol::{
    Amount, Answer, Authority, BalanceParams, BalanceResponse, Call, CommitRequest, CommitResponse,
    CommitStatus, Control, DecisionRequest, DecisionResponse, EventCreateRequest,
    EventCreateResponse, ExtendRequest, ExtendResponse, IdempotencyKey, ListReservationsParams,
    ReleaseRequest, ReleaseResponse, ReservationCreateRequest, ReservationCreateResponse,
    ReservationDetail, ReservationId, ReservationListResponse,
};
use cycles_testkit::simulation::{Failure, Simulation};

#[test]
fn the_engine_answers_as_the_oracle_says() {
    let runs = [1, 2, 3, 4].map(|seed| {
        std::thread::spawn(move || {
            let report = Simulation::new(seed).run(5_000, |_| {}).unwrap_or_else(|f| panic!("{f}"));
            assert_eq!((report.seed, report.steps), (seed, 5_000));
            report
        })
    });
    let reports = runs.map(|run| run.join().unwrap());
    // A run in which nothing happens agrees too; this one must not be it.
    for outcome in [
        ("create_reservation", "ALLOW"),
        ("create_reservation", "BUDGET_EXCEEDED"),
        ("create_reservation", "IDEMPOTENCY_MISMATCH"),
        ("create_reservation", "OVERDRAFT_LIMIT_EXCEEDED"),
        ("dry_run", "DENY"),
        ("commit", "OK"),
        ("commit", "BUDGET_EXCEEDED"),
        ("commit", "RESERVATION_EXPIRED"),
        ("commit", "RESERVATION_FINALIZED"),
        ("release", "OK"),
        ("extend", "OK"),
        ("extend", "MAX_EXTENSIONS_EXCEEDED"),
        ("create_event", "OK"),
        ("create_event", "BUDGET_EXCEEDED"),
        ("fund_budget", "OK"),
        ("fund_budget", "BUDGET_FROZEN"),
        ("list_reservations", "OK"),
        ("get_balances", "OK"),
    ] {
        let key = (outcome.0, outcome.1.to_owned());
        assert!(reports.iter().any(|report| report.answers.contains_key(&key)), "{outcome:?}");
    }
}

#[test]
fn a_seed_is_a_run_and_another_seed_is_another() {
    let run = |seed| Simulation::new(seed).run(1_000, |_| {}).unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(run(11), run(11));
    assert_ne!(run(11).digest, run(12).digest);
}

#[test]
fn progress_is_told_and_reaches_the_end() {
    let mut told = Vec::new();
    let run = Simulation::new(5).run(2_000, |progress| told.push((progress.step, progress.steps)));
    run.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(told, [(1_000, 2_000), (2_000, 2_000)]);
}

#[test]
fn a_swallowed_commit_is_caught() {
    let failure = caught(Fault::SwallowedCommit);
    assert!(failure.history.last().unwrap().contains(": commit res_"), "{failure}");
}

#[test]
fn a_double_release_is_caught() {
    let failure = caught(Fault::DoubleRelease);
    assert!(failure.history.last().unwrap().contains(": release res_"), "{failure}");
}

#[test]
fn a_forgotten_idempotency_key_is_caught() {
    let failure = caught(Fault::ForgottenKey);
    assert!(failure.history.last().unwrap().contains(": create_reservation"), "{failure}");
}

#[test]
fn a_lease_that_is_a_millisecond_longer_is_caught() {
    let failure = caught(Fault::LongerLease);
    assert!(failure.expected.contains("expires_at_ms"), "{failure}");
}

fn caught(fault: Fault) -> Failure {
    let broken = move |engine| Arc::new(Broken { engine, fault }) as Arc<dyn Authority>;
    let failure = Simulation::new(1).behind(broken).run(5_000, |_| {}).expect_err("it is broken");
    let text = failure.to_string();
    assert!(text.ends_with("replay: cargo xtask simulate --seed 1 --steps 5000"), "{text}");
    assert!((1..=20).contains(&failure.history.len()), "{text}");
    assert_ne!(failure.expected, failure.seen, "{text}");
    failure
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A commit is answered and not done.
    SwallowedCommit,
    /// What is released is credited on top.
    DoubleRelease,
    /// Every reserve is a new one.
    ForgottenKey,
    /// The answer promises a millisecond too much.
    LongerLease,
}

/// An engine with one fault.
#[derive(Debug)]
struct Broken {
    engine: Engine,
    fault: Fault,
}

impl Broken {
    /// Adds to the deepest budget what a release gave back already.
    fn credit(&self, answer: &ReleaseResponse) {
        let Some(balance) = answer.balances.iter().flatten().next_back() else { return };
        let budget = BudgetRef::new(&balance.scope_path, answer.released.unit).expect("a scope");
        let request = BudgetFundingRequest {
            operation: FundingOperation::Credit,
            amount: Amount::new(answer.released.unit, answer.released.amount),
            spent: None,
            reason: None,
            idempotency_key: None,
            metadata: None,
        };
        // A frozen budget refuses it; the next release will do.
        let _ = self.engine.fund_budget(&budget, request);
    }
}

impl Authority for Broken {
    fn create_reservation<'a>(
        &'a self,
        call: &'a Call,
        request: &'a ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse> {
        let mut request = request.clone();
        if self.fault == Fault::ForgottenKey && !request.idempotency_key.as_str().is_empty() {
            request.idempotency_key = IdempotencyKey::new(&*call.request_id);
        }
        Box::pin(async move {
            let mut answer = self.engine.create_reservation(call, &request).await?;
            if self.fault == Fault::LongerLease {
                answer.value.expires_at_ms = answer.value.expires_at_ms.map(|at| at + 1);
            }
            Ok(answer)
        })
    }

    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: &'a CommitRequest,
    ) -> Answered<'a, CommitResponse> {
        if self.fault != Fault::SwallowedCommit {
            return self.engine.commit(call, id, request);
        }
        Box::pin(async move {
            Ok(Answer::local(CommitResponse {
                status: CommitStatus::Committed,
                charged: request.actual,
                released: None,
                balances: None,
                cycles_evidence: None,
                recovered_via_event: None,
            }))
        })
    }

    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse> {
        let answered = self.engine.release(call, id, request);
        Box::pin(async move {
            let answer = answered.await?;
            if self.fault == Fault::DoubleRelease {
                self.credit(&answer.value);
            }
            Ok(answer)
        })
    }

    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse> {
        self.engine.extend(call, id, request)
    }

    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse> {
        self.engine.decide(call, request)
    }

    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse> {
        self.engine.create_event(call, request)
    }

    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse> {
        self.engine.get_balances(call, params)
    }

    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse> {
        self.engine.list_reservations(call, params)
    }

    fn get_reservation<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
    ) -> Answered<'a, ReservationDetail> {
        self.engine.get_reservation(call, id)
    }
}
