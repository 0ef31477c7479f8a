//! [`Observer`]: told of every decision, for records and figures.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Action, Amount, Authority, Balance, BalanceParams, BalanceResponse, Call, Clock,
    CommitOveragePolicy, CommitRequest, CommitResponse, Decision, DecisionRequest,
    DecisionResponse, Error, EventCreateRequest, EventCreateResponse, ExtendRequest,
    ExtendResponse, ListReservationsParams, Operation, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationDetail, ReservationId,
    ReservationListResponse, Subject, SystemClock,
};

/// Told of every operation that decides something, once it is answered.
///
/// It is called on the request's way back, so it must not wait.
pub trait Observer: Debug + Send + Sync + 'static {
    /// `exchange` has just been answered.
    fn saw(&self, call: &Call, exchange: &Exchange<'_>);
}

/// What was asked, and what was answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// Which operation.
    pub operation: Operation,
    /// Who spends, where the request says so.
    pub subject: Option<&'a Subject>,
    /// On what, where the request says so.
    pub action: Option<&'a Action>,
    /// How much it is about, where the request says so.
    pub amount: Option<Amount>,
    /// What the request asks for when work costs more than it holds.
    pub overage_policy: Option<CommitOveragePolicy>,
    /// Whether nothing was to be held.
    pub is_dry_run: bool,
    /// The reservation, new or named by the request.
    pub reservation_id: Option<&'a ReservationId>,
    /// The decision, where the answer has one.
    pub decision: Option<Decision>,
    /// Why it is `DENY`.
    pub reason_code: Option<&'a str>,
    /// When asking again may help.
    pub retry_after_ms: Option<i64>,
    /// The scopes that the answer names, root first.
    pub scopes: &'a [String],
    /// The budgets as answered, after what was decided.
    pub balances: &'a [Balance],
    /// Why it was refused.
    pub error: Option<&'a Error>,
    /// How long the authority took.
    pub took: Duration,
}

impl<'a> Exchange<'a> {
    fn new(operation: Operation) -> Self {
        Self {
            operation,
            subject: None,
            action: None,
            amount: None,
            overage_policy: None,
            is_dry_run: false,
            reservation_id: None,
            decision: None,
            reason_code: None,
            retry_after_ms: None,
            scopes: &[],
            balances: &[],
            error: None,
            took: Duration::ZERO,
        }
    }

    fn about(mut self, (subject, action): (&'a Subject, &'a Action), amount: Amount) -> Self {
        (self.subject, self.action) = (Some(subject), Some(action));
        self.amount = Some(amount);
        self
    }

    fn on(mut self, id: &'a ReservationId) -> Self {
        self.reservation_id = Some(id);
        self
    }

    /// The answer; an answer without a decision allows.
    fn answered<T>(
        mut self,
        answer: &'a Result<cycles_protocol::Answer<T>, Error>,
        tell: impl FnOnce(&mut Self, &'a T),
    ) -> Self {
        match answer {
            Ok(answer) => tell(&mut self, &answer.value),
            Err(error) => self.error = Some(error),
        }
        self
    }
}

fn balances(balances: Option<&Vec<Balance>>) -> &[Balance] {
    balances.map_or(&[], Vec::as_slice)
}

/// An authority whose observers are told.
#[derive(Debug)]
pub(crate) struct Observed {
    authority: Arc<dyn Authority>,
    observers: Vec<Arc<dyn Observer>>,
    clock: SystemClock,
}

impl Observed {
    pub(crate) fn by(
        observers: Vec<Arc<dyn Observer>>,
        authority: Arc<dyn Authority>,
    ) -> Arc<dyn Authority> {
        if observers.is_empty() {
            return authority;
        }
        // How long something takes is real time, whatever clock the authority runs on.
        Arc::new(Self { authority, observers, clock: SystemClock::new() })
    }

    fn tell(&self, call: &Call, mut exchange: Exchange<'_>, started: Duration) {
        exchange.took = self.clock.monotonic().saturating_sub(started);
        for observer in &self.observers {
            observer.saw(call, &exchange);
        }
    }
}

impl Authority for Observed {
    fn create_reservation<'a>(
        &'a self,
        call: &'a Call,
        request: &'a ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse> {
        Box::pin(async move {
            let started = self.clock.monotonic();
            let work = (&request.subject, &request.action);
            let mut seen =
                Exchange::new(Operation::CreateReservation).about(work, request.estimate);
            seen.overage_policy = request.overage_policy;
            seen.is_dry_run = request.is_dry_run();
            let answer = self.authority.create_reservation(call, request).await;
            let seen = seen.answered(&answer, |seen, answer| {
                seen.decision = Some(answer.decision);
                seen.reason_code = answer.reason_code.as_deref();
                seen.retry_after_ms = answer.retry_after_ms;
                seen.reservation_id = answer.reservation_id.as_ref();
                seen.scopes = &answer.affected_scopes;
                seen.balances = balances(answer.balances.as_ref());
            });
            self.tell(call, seen, started);
            answer
        })
    }

    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: &'a CommitRequest,
    ) -> Answered<'a, CommitResponse> {
        Box::pin(async move {
            let started = self.clock.monotonic();
            let mut seen = Exchange::new(Operation::Commit).on(id);
            seen.amount = Some(request.actual);
            let answer = self.authority.commit(call, id, request).await;
            let seen = seen.answered(&answer, |seen, answer| {
                seen.balances = balances(answer.balances.as_ref());
            });
            self.tell(call, seen, started);
            answer
        })
    }

    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse> {
        Box::pin(async move {
            let started = self.clock.monotonic();
            let answer = self.authority.release(call, id, request).await;
            let seen =
                Exchange::new(Operation::Release).on(id).answered(&answer, |seen, answer| {
                    seen.amount = Some(answer.released);
                    seen.balances = balances(answer.balances.as_ref());
                });
            self.tell(call, seen, started);
            answer
        })
    }

    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse> {
        Box::pin(async move {
            let started = self.clock.monotonic();
            let answer = self.authority.extend(call, id, request).await;
            let seen = Exchange::new(Operation::Extend).on(id).answered(&answer, |_, _| {});
            self.tell(call, seen, started);
            answer
        })
    }

    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse> {
        Box::pin(async move {
            let started = self.clock.monotonic();
            let work = (request.subject.clone(), request.action.clone());
            let mut seen =
                Exchange::new(Operation::Decide).about((&work.0, &work.1), request.estimate);
            seen.is_dry_run = true;
            let answer = self.authority.decide(call, request).await;
            let seen = seen.answered(&answer, |seen, answer| {
                seen.decision = Some(answer.decision);
                seen.reason_code = answer.reason_code.as_deref();
                seen.retry_after_ms = answer.retry_after_ms;
                seen.scopes = answer.affected_scopes.as_deref().unwrap_or_default();
            });
            self.tell(call, seen, started);
            answer
        })
    }

    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse> {
        Box::pin(async move {
            let started = self.clock.monotonic();
            let work = (request.subject.clone(), request.action.clone());
            let mut seen =
                Exchange::new(Operation::CreateEvent).about((&work.0, &work.1), request.actual);
            seen.overage_policy = request.overage_policy;
            let answer = self.authority.create_event(call, request).await;
            let seen = seen.answered(&answer, |seen, answer| {
                seen.balances = balances(answer.balances.as_ref());
            });
            self.tell(call, seen, started);
            answer
        })
    }

    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse> {
        self.authority.get_balances(call, params)
    }

    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse> {
        self.authority.list_reservations(call, params)
    }

    fn get_reservation<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
    ) -> Answered<'a, ReservationDetail> {
        self.authority.get_reservation(call, id)
    }
}
