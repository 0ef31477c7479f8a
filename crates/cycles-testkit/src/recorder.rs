//! Counts what an authority answered, so that a test can wait for it instead
//! of sleeping.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BalanceParams, BalanceResponse, Call, CommitRequest, CommitResponse,
    DecisionRequest, DecisionResponse, Error, EventCreateRequest, EventCreateResponse,
    ExtendRequest, ExtendResponse, ListReservationsParams, Operation, ReleaseRequest,
    ReleaseResponse, ReservationCreateRequest, ReservationCreateResponse, ReservationDetail,
    ReservationId, ReservationListResponse,
};
use tokio::sync::watch;

const OPERATIONS: usize = Operation::ALL.len();

/// An authority that counts its successful answers.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Arc<dyn Authority>,
    counts: Arc<watch::Sender<[usize; OPERATIONS]>>,
}

impl Recorder {
    /// Counts the answers of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Authority>) -> Self {
        Self { inner, counts: Arc::new(watch::Sender::new([0; OPERATIONS])) }
    }

    /// The same counts before another authority over the same state.
    #[must_use]
    pub fn around(&self, inner: Arc<dyn Authority>) -> Self {
        Self { inner, counts: Arc::clone(&self.counts) }
    }

    /// How often `operation` was answered successfully.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.counts.borrow()[operation as usize]
    }

    /// Waits until `operation` was answered successfully `count` times, at most
    /// `timeout` of real time; answers whether it came to that.
    pub async fn wait_for(&self, operation: Operation, count: usize, timeout: Duration) -> bool {
        let mut counts = self.counts.subscribe();
        let reached = counts.wait_for(|counts| counts[operation as usize] >= count);
        tokio::time::timeout(timeout, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    async fn counted<T>(
        &self,
        operation: Operation,
        answer: Answered<'_, T>,
    ) -> Result<Answer<T>, Error> {
        let answer = answer.await?;
        self.counts.send_modify(|counts| counts[operation as usize] += 1);
        Ok(answer)
    }
}

/// Every operation runs on the inner authority and is counted.
macro_rules! recorded {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty, $operation:ident;)+) => {
        impl Authority for Recorder {
            $(fn $name<'a>(&'a self, call: &'a Call, $($arg: $type),*) -> Answered<'a, $answer> {
                Box::pin(self.counted(Operation::$operation, self.inner.$name(call, $($arg),*)))
            })+
        }
    };
}

recorded! {
    create_reservation(request: ReservationCreateRequest) -> ReservationCreateResponse, CreateReservation;
    commit(id: &'a ReservationId, request: CommitRequest) -> CommitResponse, Commit;
    release(id: &'a ReservationId, request: ReleaseRequest) -> ReleaseResponse, Release;
    extend(id: &'a ReservationId, request: ExtendRequest) -> ExtendResponse, Extend;
    decide(request: DecisionRequest) -> DecisionResponse, Decide;
    create_event(request: EventCreateRequest) -> EventCreateResponse, CreateEvent;
    get_balances(params: BalanceParams) -> BalanceResponse, GetBalances;
    list_reservations(params: ListReservationsParams) -> ReservationListResponse, ListReservations;
    get_reservation(id: &'a ReservationId) -> ReservationDetail, GetReservation;
}
