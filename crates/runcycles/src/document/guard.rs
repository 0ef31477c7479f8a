//! Guards as the language packages hold them.

use std::sync::Arc;

use cycles_protocol::{
    Amount, Balance, Caps, CommitRequest, Decision, ReservationCreateResponse, ReservationId,
};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use super::GuardRequest;
use super::settlement::{CommitDocument, Member, SettlementDocument};
use crate::actual;
use crate::client::CyclesClient;
use crate::error::ErrorReport;
use crate::guard::{Begun, ReservationGuard};
use crate::nested::{Nesting, Parent};

/// A guard as the language packages hold it: settles at most once, whoever asks.
#[derive(Debug)]
pub struct Guard {
    estimate: Amount,
    state: Mutex<State>,
    facts: Facts,
}

#[derive(Debug)]
enum State {
    Live(Box<ReservationGuard>),
    DryRun,
    Settled,
}

/// Reserves budget, or evaluates a dry run. `parent` is the call that this
/// one is made inside of ([`Guard::as_parent`]).
///
/// # Errors
/// The refusal; the guarded function must not run then.
pub async fn begin(
    client: &CyclesClient,
    request: GuardRequest,
    parent: Option<Parent>,
) -> Result<Guard, ErrorReport> {
    let estimate = request.estimate;
    let nesting = Nesting { parent, nested: request.nested };
    let begun = client.begin_reported(Arc::new(request.into()), nesting).await?;
    Ok(match begun {
        Begun::Live(guard) => Guard {
            estimate,
            facts: Facts::of(&guard),
            state: Mutex::new(State::Live(Box::new(guard))),
        },
        Begun::DryRun(response) => Guard {
            estimate,
            facts: Facts::of_dry_run(*response, estimate),
            state: Mutex::new(State::DryRun),
        },
    })
}

/// What is known of a reservation once it is made. A document is made of it only
/// when somebody asks, which most calls do not.
#[derive(Debug)]
pub(super) struct Facts {
    estimate: Amount,
    response: Arc<ReservationCreateResponse>,
    /// `None` for a dry run.
    trace_id: Option<Arc<str>>,
    pub(super) cancels: bool,
    parent_reservation_id: Option<ReservationId>,
    unseen: bool,
}

impl Facts {
    pub(super) fn of(guard: &ReservationGuard) -> Self {
        Self {
            estimate: guard.estimate(),
            response: Arc::clone(&guard.held.response),
            trace_id: Some(Arc::clone(&guard.held.trace_id)),
            cancels: guard.held.cancels(),
            parent_reservation_id: guard.parent_reservation_id().cloned(),
            unseen: guard.is_unseen(),
        }
    }

    fn of_dry_run(response: ReservationCreateResponse, estimate: Amount) -> Self {
        let response = Arc::new(response);
        Self {
            estimate,
            response,
            trace_id: None,
            cancels: false,
            parent_reservation_id: None,
            unseen: false,
        }
    }

    /// As it stood when the reservation was made.
    pub(super) fn context(&self) -> Context<'_> {
        let response = &*self.response;
        Context {
            reservation_id: response.reservation_id.as_ref(),
            lease_lost: false,
            cancels: self.cancels,
            decision: &response.decision,
            estimate: self.estimate,
            caps: response.caps.as_ref(),
            expires_at_ms: response.expires_at_ms,
            affected_scopes: &response.affected_scopes,
            scope_path: response.scope_path.as_deref(),
            reserved: response.reserved,
            balances: response.balances.as_deref().unwrap_or_default(),
            dry_run: self.trace_id.is_none(),
            trace_id: self.trace_id.as_deref(),
            parent_reservation_id: self.parent_reservation_id.as_ref(),
            unseen: self.unseen,
            response,
        }
    }
}

/// What the guarded function may know of its reservation.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "it is a document with these members")]
pub(super) struct Context<'a> {
    reservation_id: Option<&'a ReservationId>,
    pub(super) lease_lost: bool,
    cancels: bool,
    decision: &'a Decision,
    estimate: Amount,
    caps: Option<&'a Caps>,
    pub(super) expires_at_ms: Option<i64>,
    affected_scopes: &'a [String],
    scope_path: Option<&'a str>,
    reserved: Option<Amount>,
    balances: &'a [Balance],
    dry_run: bool,
    trace_id: Option<&'a str>,
    parent_reservation_id: Option<&'a ReservationId>,
    unseen: bool,
    response: &'a ReservationCreateResponse,
}

impl Guard {
    /// What the guarded function may know of its reservation.
    #[must_use]
    pub fn context(&self) -> Value {
        json!(self.facts())
    }

    /// [`Self::context`] for who writes it out: a tree of it first costs several times as much.
    #[must_use]
    pub fn facts(&self) -> impl Serialize {
        let mut context = self.facts.context();
        if let State::Live(guard) = &*self.state.lock() {
            context.expires_at_ms = guard.expires_at_ms();
            context.lease_lost = guard.lease().loss().is_some();
        }
        context
    }

    /// This call, for those inside it; `None` once it has settled.
    #[must_use]
    pub fn as_parent(&self) -> Option<Parent> {
        match &*self.state.lock() {
            State::Live(guard) => Some(guard.as_parent()),
            State::DryRun | State::Settled => None,
        }
    }

    /// Whether nothing is held, so that the guarded function must not run.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        matches!(&*self.state.lock(), State::DryRun)
    }

    /// Whether the work is to be cancelled when its lease is lost
    /// (`heartbeat_policy` is `cancel`): race it against [`lost`](Self::lost).
    #[must_use]
    pub fn cancels(&self) -> bool {
        matches!(&*self.state.lock(), State::Live(guard) if guard.held.cancels())
    }

    /// Completes when the lease is lost, with the error to raise once the work
    /// is cancelled and the guard [abandoned](Self::abandon); never, where it is
    /// settled before.
    pub async fn lost(&self) -> ErrorReport {
        let lease = match &*self.state.lock() {
            State::Live(guard) => Some(guard.lease().clone()),
            State::DryRun | State::Settled => None,
        };
        match lease {
            Some(lease) => (&lease.lost().await).into(),
            None => std::future::pending().await,
        }
    }

    /// Gives up work that was cancelled because its lease was lost: what it used
    /// is not known and not booked. What calls inside it have cost is.
    pub async fn abandon(&self) {
        if let Ok(guard) = self.take() {
            guard.abandon().await;
        }
    }

    /// Commits; the estimate where no actual is given. An actual that makes no
    /// sense (negative, another unit) is replaced by the estimate and marked in
    /// the metadata, since the work has run and the spend must be booked.
    pub async fn commit(&self, document: CommitDocument) -> SettlementDocument {
        let guard = match self.take() {
            Ok(guard) => guard,
            Err(outcome) => return SettlementDocument::new(outcome),
        };
        let unreadable = matches!(document.actual, Member::Unreadable);
        let request = CommitRequest::builder()
            .actual(document.actual.read().unwrap_or(self.estimate))
            .maybe_metrics(document.metrics.read())
            .maybe_metadata(document.metadata.read())
            .build();
        let (request, problem) = actual::bookable(request, self.estimate);
        if let Some(problem) = &problem {
            tracing::warn!(%problem, "commit is not valid; committing the estimate");
        }
        let request = if unreadable && problem.is_none() {
            actual::booked_at(self.estimate, request)
        } else {
            request
        };
        let held = guard.held.clone();
        let settlement = guard.settle(request).await;
        let loss = held.loss_to_report(&settlement);
        let mut document = SettlementDocument::from(settlement);
        document.error = document.error.or(loss.as_ref().map(ErrorReport::from));
        document
    }

    /// Gives everything back.
    pub async fn release(&self, reason: Option<String>) -> SettlementDocument {
        match self.take() {
            Ok(guard) => guard.give_back(reason).await.into(),
            Err(outcome) => SettlementDocument::new(outcome),
        }
    }

    /// The hold to settle, or the outcome where there is none.
    fn take(&self) -> Result<ReservationGuard, &'static str> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Settled) {
            State::Live(guard) if guard.is_forked_copy() => Err("nothing_to_settle"),
            State::Live(guard) => Ok(*guard),
            State::DryRun => {
                *state = State::DryRun;
                Err("nothing_to_settle")
            }
            State::Settled => Err("already_settled"),
        }
    }
}
