//! Reserving: from a request to a guard, in process at once.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Answer, Call, Decision, Error as Refusal, ErrorCode, Operation, ReservationCreateRequest,
    ReservationCreateResponse, Retry, strict::Validate,
};
use futures_util::FutureExt;

use super::CyclesClient;
use crate::circuit;
use crate::error::Error;
use crate::guard::{Begun, ReservationGuard};
use crate::metadata::with_unit;
use crate::metrics;
use crate::nested::{Nesting, Source};
use crate::schedule::Attempt;

impl CyclesClient {
    /// Reserves budget and answers a guard, which commits, releases, or gives
    /// the hold back when dropped.
    ///
    /// An unclear answer is repeated once with the same key (spec: HEARTBEAT
    /// GUIDANCE, create).
    ///
    /// # Errors
    /// [`Error::BudgetExceeded`] and [`Error::Api`] when the authority refuses;
    /// [`Error::Validation`] for input that it would refuse, and for a dry run,
    /// which holds nothing: use [`begin`](Self::begin).
    pub async fn reserve(
        &self,
        request: ReservationCreateRequest,
    ) -> Result<ReservationGuard, Error> {
        self.reserve_within(Arc::new(request), Nesting::here(None)).await
    }

    pub(crate) async fn reserve_within(
        &self,
        request: Arc<ReservationCreateRequest>,
        nesting: Nesting,
    ) -> Result<ReservationGuard, Error> {
        if request.is_dry_run() {
            return Err(Error::Validation(
                "a dry run holds nothing to guard; call begin() or create_reservation()".to_owned(),
            ));
        }
        match self.begin_reported(request, nesting).await? {
            Begun::Live(guard) => Ok(guard),
            Begun::DryRun(_) => {
                Err(Error::Internal("a live reserve was answered as a dry run".to_owned()))
            }
        }
    }

    /// Reserves budget, or evaluates a dry run.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub async fn begin(&self, request: ReservationCreateRequest) -> Result<Begun, Error> {
        Ok(self.begin_reported(Arc::new(request), Nesting::here(None)).await?)
    }

    /// [`begin`](Self::begin) with the error that still knows everything.
    pub(crate) async fn begin_reported(
        &self,
        mut request: Arc<ReservationCreateRequest>,
        nesting: Nesting,
    ) -> Result<Begun, Refusal> {
        self.check_process()?;
        // Built outside of a runtime, or in a parent process, it does not run yet.
        self.inner.replay.start(self);
        self.inner.config.fill(&mut Arc::make_mut(&mut request).subject);
        request.validate().map_err(Refusal::before_sending)?;
        let settings = &self.inner.settings;
        let parent =
            match nesting.source(settings.nested, &self.inner.warned_of_nesting, &request)? {
                Source::Own { parent } => parent,
                Source::Inherited { parent, draw } => {
                    return Ok(Begun::Live(ReservationGuard::inherited(&parent, draw, request)));
                }
            };
        let call = parent
            .as_ref()
            .map_or_else(|| self.fresh_call().briefly(), |parent| self.call(&parent.held.trace_id));
        let parent = parent.map(|parent| parent.held.id.clone());
        let created = match self.create_at_once(&call, &request) {
            Some(Ok(created)) => Ok(created),
            first => {
                let first = first.and_then(Result::err);
                // Held in one place: it is large.
                let created = pin!(self.create_once_more_if_unclear(&call, &request, first));
                self.bounded(Operation::CreateReservation, created).await
            }
        };
        let (answer, granted) = match created {
            Err(error) if self.may_be_unseen(&request, &error) => {
                let unseen = self.begin_unseen(request, call.trace_id, parent, error);
                let guard = Box::pin(unseen).await?;
                return Ok(Begun::Live(guard));
            }
            created => created?,
        };
        let response = answer.value;
        if request.is_dry_run() {
            return Ok(Begun::DryRun(Box::new(response)));
        }
        match (response.decision, response.reservation_id.clone()) {
            (Decision::Deny, _) => Err(denied(&response).in_trace(&call.trace_id)),
            (_, Some(id)) => Ok(Begun::Live(ReservationGuard::new(
                self.clone(),
                id,
                request,
                Arc::new(response),
                call.trace_id,
                granted,
                parent,
            ))),
            (_, None) => {
                Err(Refusal::outcome_unknown(None, "answer allows but names no reservation"))
            }
        }
    }

    /// In process the first poll is the last. An authority that has no answer yet is
    /// asked again with the same key.
    fn create_at_once(
        &self,
        call: &Call,
        request: &ReservationCreateRequest,
    ) -> Option<Result<(Answer<ReservationCreateResponse>, Attempt), Refusal>> {
        if !self.is_in_process() {
            return None;
        }
        let answer = self.inner.authority.create_reservation(call, request).now_or_never()?;
        let received = self.inner.clock.monotonic();
        Some(match answer {
            Ok(answer) => Ok((answer, Attempt { sent: received, received })),
            Err(error) => Err(with_unit(error, request.estimate.unit)),
        })
    }

    /// `first` is what the first attempt came to, where it was made.
    pub(crate) async fn create_once_more_if_unclear(
        &self,
        call: &Call,
        request: &ReservationCreateRequest,
        first: Option<Refusal>,
    ) -> Result<(Answer<ReservationCreateResponse>, Attempt), Refusal> {
        let first = match first {
            Some(error) => Err(error),
            None => self.create_attempt(call, request).await,
        };
        match first {
            Err(error) if error.retry() == Retry::SameKey => {
                metrics::retried(Operation::CreateReservation);
                let second = self.create_attempt(call, request).await;
                match second {
                    // Not asked again: what the first came to still stands.
                    Err(second) if circuit::is_open(&second) => Err(error),
                    second => second,
                }
            }
            other => other,
        }
    }

    async fn create_attempt(
        &self,
        call: &Call,
        request: &ReservationCreateRequest,
    ) -> Result<(Answer<ReservationCreateResponse>, Attempt), Refusal> {
        let sent = self.inner.clock.monotonic();
        let answer = self.inner.authority.create_reservation(call, request).await;
        let answer = answer.map_err(|error| with_unit(error, request.estimate.unit))?;
        Ok((answer, Attempt { sent, received: self.inner.clock.monotonic() }))
    }
}

/// A `DENY` that came as an answer: the same error as the refusal it stands for.
fn denied(response: &ReservationCreateResponse) -> Refusal {
    let reason = response.reason_code.as_deref().unwrap_or("DENY");
    let code = match ErrorCode::parse(reason) {
        ErrorCode::Unknown => ErrorCode::Forbidden,
        known => known,
    };
    let error = Refusal::denied(code, format!("reservation denied reason_code={reason}"))
        .detail("reason_code", reason)
        .detail("affected_scopes", response.affected_scopes.clone());
    match response.retry_after_ms.and_then(|ms| u64::try_from(ms).ok()) {
        Some(ms) => error.retry_after_hint(Duration::from_millis(ms)),
        None => error,
    }
}
