//! The client: one authority, remote or in process, and everything above it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cycles_protocol::{
    Answer, Authority, Call, Clock, Decision, Error as Refusal, ErrorCode, Operation, Random,
    RawRequest, RawResponse, ReservationCreateRequest, ReservationCreateResponse, Retry,
    strict::Validate,
};
use futures_util::FutureExt;
use parking_lot::Mutex;

use crate::builder::CyclesClientBuilder;
use crate::circuit::{self, Breaker};
use crate::config::CyclesConfig;
use crate::error::Error;
use crate::guard::{Begun, ReservationGuard};
use crate::heartbeat::{Extensions, OnFailure, Waiting};
use crate::idempotency;
use crate::journal::Journal;
use crate::metadata::with_unit;
use crate::metrics;
use crate::nested::{Nesting, Source};
use crate::notifications::{Notification, Notifications, Notifier};
use crate::pending::Pending;
use crate::replay::Replay;
use crate::report::OnSettlement;
use crate::schedule::Attempt;
use crate::settings::{Settings, SettlementMode};
use crate::traces;
use crate::unreachable::Unseen;

/// Talks to an authority. Cheap to clone; clones share connections and
/// background settlements.
#[derive(Debug, Clone)]
pub struct CyclesClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) config: CyclesConfig,
    pub(crate) settings: Settings,
    /// `None` for an authority in process, and where it is switched off.
    pub(crate) breaker: Option<Arc<Breaker>>,
    pub(crate) unseen: Unseen,
    /// What [`set_api_key`](CyclesClient::set_api_key) set last.
    pub(crate) replaced_key: Mutex<Option<String>>,
    pub(crate) on_settlement: OnSettlement,
    /// Set by [`close`](CyclesClient::close).
    pub(crate) closed: AtomicBool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) pending: Pending,
    /// `None` for an authority in process, and where it is switched off.
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) replay: Replay,
    pub(crate) on_heartbeat_failure: OnFailure,
    pub(crate) warned_of_nesting: AtomicBool,
    pub(crate) notifications: Notifier,
    pub(crate) extensions: Extensions,
    pub(crate) waiting_leases: Arc<Waiting>,
    /// The process that owns an authority in process; `None` for a remote one.
    pub(crate) owner: Option<u32>,
}

impl CyclesClient {
    /// Starts building a client of a remote authority.
    pub fn builder(api_key: impl Into<String>, base_url: impl Into<String>) -> CyclesClientBuilder {
        CyclesClientBuilder::new(api_key, base_url)
    }

    /// A client of the remote authority that `config` names.
    #[must_use]
    pub fn new(config: CyclesConfig) -> Self {
        CyclesClientBuilder::from_config(config).build()
    }

    /// A client set up by the `CYCLES_…` environment variables.
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable that is missing or does not parse.
    pub fn from_env() -> Result<Self, Error> {
        Ok(CyclesClientBuilder::from_env()?.build())
    }

    /// A client with an authority of its own, in process, holding what the
    /// YAML `seed` declares (`docs/seed.md`); it uses the seed's first key.
    ///
    /// # Errors
    /// [`Error::Config`] naming the line of the seed that is wrong.
    #[cfg(feature = "embedded")]
    pub fn embedded(seed: &str) -> Result<Self, Error> {
        Ok(CyclesClientBuilder::new("", "").embedded(seed)?.build())
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        let client = Self::from_shared(Arc::new(inner));
        client.inner.replay.start(&client);
        client
    }

    pub(crate) fn from_shared(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    /// The settings of this client and its present key, for another like it: in a
    /// forked child, for instance.
    pub fn to_builder(&self) -> CyclesClientBuilder {
        let Inner { config, settings, replaced_key, .. } = &*self.inner;
        let mut builder = CyclesClientBuilder::from_config(config.clone());
        builder.settings = settings.clone();
        builder.on_settlement = self.inner.on_settlement.clone();
        builder.on_heartbeat_failure = self.inner.on_heartbeat_failure.clone();
        if let Some(api_key) = &*replaced_key.lock() {
            api_key.clone_into(&mut builder.config.api_key);
        }
        builder
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &CyclesConfig {
        &self.inner.config
    }

    pub(crate) fn authority(&self) -> &Arc<dyn Authority> {
        &self.inner.authority
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What happens in the background from here on, and what nobody has taken yet.
    #[must_use]
    pub fn notifications(&self) -> Notifications {
        self.inner.notifications.0.clone()
    }

    pub(crate) fn notify(&self, notification: Notification) {
        self.inner.notifications.0.push(notification);
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    pub(crate) fn pending(&self) -> &Pending {
        &self.inner.pending
    }

    pub(crate) fn waiting_leases(&self) -> &Arc<Waiting> {
        &self.inner.waiting_leases
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.inner.extensions
    }

    pub(crate) fn on_heartbeat_failure(&self) -> &OnFailure {
        &self.inner.on_heartbeat_failure
    }

    pub(crate) fn journal(&self) -> Option<&Arc<Journal>> {
        self.inner.journal.as_ref()
    }

    pub(crate) fn start_replay(&self) {
        self.inner.replay.start(self);
    }

    pub(crate) fn replay(&self) -> &Replay {
        &self.inner.replay
    }

    pub(crate) fn unseen(&self) -> &Unseen {
        &self.inner.unseen
    }

    pub(crate) fn on_settlement(&self) -> &OnSettlement {
        &self.inner.on_settlement
    }

    pub(crate) fn is_in_process(&self) -> bool {
        self.inner.owner.is_some()
    }

    /// In process every settlement has its answer at once.
    pub(crate) fn settlement_mode(&self) -> SettlementMode {
        if self.is_in_process() { SettlementMode::Inline } else { self.inner.settings.settlement }
    }

    pub(crate) fn call_timeout(&self) -> Option<Duration> {
        self.inner.settings.call_timeout.filter(|_| !self.is_in_process())
    }

    pub(crate) fn breaker(&self) -> Option<&Breaker> {
        self.inner.breaker.as_deref()
    }

    pub(crate) fn remember_key(&self, api_key: &str) {
        *self.inner.replaced_key.lock() = Some(api_key.to_owned());
    }

    pub(crate) fn close_to_new_work(&self) {
        self.inner.closed.store(true, Ordering::Release);
    }

    /// A call within a trace, of whose success only the value is wanted.
    pub(crate) fn call(&self, trace_id: &Arc<str>) -> Call {
        Call::within_trace(&*self.inner.random, Arc::clone(trace_id)).briefly()
    }

    pub(crate) fn fresh_call(&self) -> Call {
        traces::join_current(Call::new(&*self.inner.random))
    }

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

    /// An embedded authority refuses in a forked child: every worker would own
    /// the whole budget (decision: Fork).
    pub(crate) fn check_process(&self) -> Result<(), Refusal> {
        match self.inner.owner {
            Some(owner) if owner != cycles_protocol::process::id() => {
                Err(Refusal::config(format!(
                    "an embedded authority cannot be used in a forked process; start one `cycles serve` and connect the workers to it created_in_pid={owner}"
                )))
            }
            _ if self.inner.closed.load(Ordering::Acquire) => {
                Err(Refusal::config("the client is closed; make a new one"))
            }
            _ => Ok(()),
        }
    }

    /// Sends a request in wire form. Refusals are answers; a missing
    /// idempotency key is filled in, so that the request is safe to repeat.
    ///
    /// # Errors
    /// [`Error::Transport`] when no answer came.
    pub async fn send(&self, request: RawRequest) -> Result<RawResponse, Error> {
        Ok(self.send_reported(request).await?)
    }

    pub(crate) async fn send_reported(
        &self,
        mut request: RawRequest,
    ) -> Result<RawResponse, Refusal> {
        self.check_process()?;
        self.inner.replay.start(self);
        if request.operation.names_reservation()
            && request.reservation_id.as_ref().is_none_or(|id| id.as_str().is_empty())
        {
            return Err(Refusal::invalid(format!(
                "reservation_id is required operation={}",
                request.operation.as_str()
            )));
        }
        if request.operation.has_body() {
            idempotency::ensure_key(&mut request);
        }
        let (operation, call) = (request.operation, self.fresh_call());
        self.bounded(operation, self.inner.authority.send(&call, request)).await
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

/// Which operation a low-level method of a language package runs.
pub(crate) fn operation(name: &str) -> Result<Operation, Refusal> {
    Operation::parse(name).ok_or_else(|| {
        Refusal::invalid(format!("operation is not one of the nine operation={name:?}"))
    })
}
