//! The client with calls that block, for programs without an async runtime.

mod guard;
mod runtime;

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Amount, Balance, BalanceResponse, CommitRequest, CommitResponse, DecisionRequest,
    DecisionResponse, EventCreateRequest, EventCreateResponse, ExtendRequest, ExtendResponse,
    ReleaseRequest, ReleaseResponse, ReservationCreateRequest, ReservationCreateResponse,
    ReservationDetail, ReservationId, ReservationListResponse, ReservationSummary,
};

use crate::builder::CyclesClientBuilder;
use crate::client::CyclesClient;
use crate::config::CyclesConfig;
use crate::error::Error;
use crate::guard::ReservationGuard;
use crate::journal::JournalStats;
use crate::lifecycle::{GuardContext, GuardedError, WithCyclesConfig, book, failure};
use crate::nested::{Nested, Nesting};
use crate::params::{BalanceParams, ListReservationsParams};
use crate::response::ApiResponse;

pub use guard::BlockingReservationGuard;
use runtime::{Items, Runtime};

/// The path that `runcycles` 0.3 has for the client.
pub mod sync_client {
    pub use super::BlockingCyclesClient;
}

/// A [`CyclesClient`] whose calls block. Cheap to clone; clones share one
/// background thread, which extends leases and repeats settlements.
///
/// Its calls answer [`Error::Config`] inside an async function, where blocking
/// would stop other work: use [`CyclesClient`] there, or `spawn_blocking`.
#[derive(Debug, Clone)]
pub struct BlockingCyclesClient {
    client: CyclesClient,
    runtime: Runtime,
}

/// One call each, which blocks until the answer is there.
macro_rules! blocks {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: &$type:ty),*) -> $answer:ty;)+) => {
        impl BlockingCyclesClient {$(
            #[doc = concat!("[`CyclesClient::", stringify!($name), "`], blocking.")]
            ///
            /// # Errors
            /// As there, and [`Error::Config`] inside an async function.
            pub fn $name(&self, $($arg: &$type),*) -> Result<$answer, Error> {
                let client = self.client.clone();
                $(let $arg = $arg.clone();)*
                self.runtime.wait(async move { client.$name($(&$arg),*).await })?
            }
        )+}
    };
}

blocks! {
    create_reservation(request: &ReservationCreateRequest) -> ReservationCreateResponse;
    create_reservation_with_metadata(request: &ReservationCreateRequest)
        -> ApiResponse<ReservationCreateResponse>;
    commit_reservation(id: &ReservationId, request: &CommitRequest) -> CommitResponse;
    release_reservation(id: &ReservationId, request: &ReleaseRequest) -> ReleaseResponse;
    extend_reservation(id: &ReservationId, request: &ExtendRequest) -> ExtendResponse;
    decide(request: &DecisionRequest) -> DecisionResponse;
    create_event(request: &EventCreateRequest) -> EventCreateResponse;
    list_reservations(params: &ListReservationsParams) -> ReservationListResponse;
    get_reservation(id: &ReservationId) -> ReservationDetail;
    get_balances(params: &BalanceParams) -> BalanceResponse;
}

impl BlockingCyclesClient {
    /// A client of the remote authority that `config` names.
    ///
    /// # Errors
    /// [`Error::Config`] when its thread cannot be started.
    pub fn new(config: CyclesConfig) -> Result<Self, Error> {
        Self::build(CyclesClientBuilder::from_config(config))
    }

    pub(crate) fn build(builder: CyclesClientBuilder) -> Result<Self, Error> {
        let runtime = Runtime::start()?;
        // Inside, so that what the journal holds is gone on with from now on.
        let client = runtime.enter(|| builder.build());
        Ok(Self { client, runtime })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &CyclesConfig {
        self.client.config()
    }

    /// The client whose calls are awaited; its background work is done here.
    #[must_use]
    pub fn as_async(&self) -> &CyclesClient {
        &self.client
    }

    /// [`CyclesClient::reserve`], blocking.
    ///
    /// # Errors
    /// As there, and [`Error::Config`] inside an async function.
    pub fn reserve(
        &self,
        request: ReservationCreateRequest,
    ) -> Result<BlockingReservationGuard, Error> {
        let guard = self.reserve_within(Arc::new(request), None)?;
        Ok(BlockingReservationGuard::new(guard, self.client.clone(), self.runtime.clone()))
    }

    /// [`with_cycles`](crate::with_cycles), blocking; `work` runs on this thread.
    ///
    /// # Errors
    /// As there, and [`Error::Config`] inside an async function.
    pub fn with_cycles<F, T>(&self, config: WithCyclesConfig, work: F) -> Result<T, Error>
    where
        F: FnOnce(GuardContext) -> Result<(T, Amount), GuardedError>,
    {
        let (request, nested, booking) = config.split();
        let guard = self.reserve_within(request, nested)?;
        let context = GuardContext::of(&guard);
        match guard.as_parent().around_blocking(|| work(context)) {
            Ok((value, actual)) => {
                if let Err(error) = self.runtime.wait_anywhere(book(guard, booking, actual)) {
                    tracing::error!(%error, "spend is not booked");
                }
                Ok(value)
            }
            Err(error) => {
                let reason = Some(failure(&error));
                let given_back = async move { guard.give_back(reason).await };
                if let Err(error) = self.runtime.wait_anywhere(given_back) {
                    tracing::warn!(%error, "release failed; the hold ends with its lease");
                }
                Err(Error::Guarded(error))
            }
        }
    }

    fn reserve_within(
        &self,
        request: Arc<ReservationCreateRequest>,
        nested: Option<Nested>,
    ) -> Result<ReservationGuard, Error> {
        // Asked on this thread: the call may be made on another.
        let (client, nesting) = (self.client.clone(), Nesting::here(nested));
        self.runtime.wait(async move { client.reserve_within(request, nesting).await })?
    }

    /// [`CyclesClient::list_reservations_stream`] as an iterator, which blocks
    /// where it fetches a page.
    pub fn list_reservations_iter(
        &self,
        params: ListReservationsParams,
    ) -> impl Iterator<Item = Result<ReservationSummary, Error>> + use<> {
        Items::new(self.runtime.clone(), self.client.list_reservations_stream(params))
    }

    /// [`CyclesClient::balances_stream`] as an iterator, which blocks where it
    /// fetches a page.
    pub fn balances_iter(
        &self,
        params: BalanceParams,
    ) -> impl Iterator<Item = Result<Balance, Error>> + use<> {
        Items::new(self.runtime.clone(), self.client.balances_stream(params))
    }

    /// [`CyclesClient::flush_pending_commits`], blocking. Inside an async
    /// function it waits for nothing, and answers how many are left.
    pub fn flush_pending_commits(&self) -> usize {
        self.flush_pending_commits_with_timeout(Duration::from_secs(10))
    }

    /// As [`flush_pending_commits`](Self::flush_pending_commits), at most `timeout`.
    pub fn flush_pending_commits_with_timeout(&self, timeout: Duration) -> usize {
        let client = self.client.clone();
        let flush = async move { client.flush_pending_commits_with_timeout(timeout).await };
        self.left(self.runtime.wait(flush))
    }

    /// How the settlement journal stands; `None` without one.
    #[must_use]
    pub fn journal_stats(&self) -> Option<JournalStats> {
        self.client.journal_stats()
    }

    /// [`CyclesClient::close`], blocking. Inside an async function it waits for
    /// nothing and closes nothing. The background thread ends with the last clone
    /// and guard.
    pub fn close(&self, timeout: Duration) -> usize {
        let client = self.client.clone();
        self.left(self.runtime.wait(async move { client.close(timeout).await }))
    }

    fn left(&self, answer: Result<usize, Error>) -> usize {
        answer.unwrap_or_else(|error| {
            tracing::warn!(%error, "nothing was flushed");
            self.client.unsettled()
        })
    }
}
