//! The client: one authority, remote or in process, and everything above it.

mod reserve;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cycles_protocol::{
    Authority, Call, Clock, Error as Refusal, Operation, Random, RawRequest, RawResponse,
};
use parking_lot::Mutex;

use crate::builder::CyclesClientBuilder;
use crate::circuit::Breaker;
use crate::config::CyclesConfig;
use crate::error::Error;
use crate::heartbeat::{Extensions, OnFailure, Waiting};
use crate::idempotency;
use crate::journal::Journal;
use crate::notifications::{Notification, Notifications, Notifier};
use crate::pending::Pending;
use crate::replay::Replay;
use crate::report::OnSettlement;
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
    /// YAML `seed` declares (`docs/seed.md`): `budgets: {tenant:acme: $5.00}` is
    /// enough. Calls without a tenant spend the first one's, by name.
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

/// Which operation a low-level method of a language package runs.
pub(crate) fn operation(name: &str) -> Result<Operation, Refusal> {
    Operation::parse(name).ok_or_else(|| {
        Refusal::invalid(format!("operation is not one of the nine operation={name:?}"))
    })
}
