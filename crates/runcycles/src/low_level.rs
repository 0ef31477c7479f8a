//! The nine operations, typed, without a guard.

use cycles_protocol::{
    BalanceResponse, CommitRequest, CommitResponse, DecisionRequest, DecisionResponse,
    EventCreateRequest, EventCreateResponse, ExtendRequest, ExtendResponse, ReleaseRequest,
    ReleaseResponse, ReservationCreateRequest, ReservationCreateResponse, ReservationDetail,
    ReservationId, ReservationListResponse,
};

use crate::client::CyclesClient;
use crate::error::Error;
use crate::params::{BalanceParams, ListReservationsParams};

impl CyclesClient {
    /// Reserves budget without a guard.
    ///
    /// # Errors
    /// [`Error::BudgetExceeded`], [`Error::Api`], [`Error::Transport`].
    pub async fn create_reservation(
        &self,
        request: &ReservationCreateRequest,
    ) -> Result<ReservationCreateResponse, Error> {
        Ok(self.create_reservation_with_metadata(request).await?.data)
    }

    /// Commits a reservation.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::BudgetExceeded`] under `REJECT`, [`Error::Transport`].
    pub async fn commit_reservation(
        &self,
        id: &ReservationId,
        request: &CommitRequest,
    ) -> Result<CommitResponse, Error> {
        Ok(self.commit_reservation_with_metadata(id, request).await?.data)
    }

    /// Releases a reservation.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn release_reservation(
        &self,
        id: &ReservationId,
        request: &ReleaseRequest,
    ) -> Result<ReleaseResponse, Error> {
        Ok(self.release_reservation_with_metadata(id, request).await?.data)
    }

    /// Extends a reservation's lease.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn extend_reservation(
        &self,
        id: &ReservationId,
        request: &ExtendRequest,
    ) -> Result<ExtendResponse, Error> {
        Ok(self.extend_reservation_with_metadata(id, request).await?.data)
    }

    /// Asks without holding.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn decide(&self, request: &DecisionRequest) -> Result<DecisionResponse, Error> {
        Ok(self.decide_with_metadata(request).await?.data)
    }

    /// Charges at once, without a reservation.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::BudgetExceeded`], [`Error::Transport`].
    pub async fn create_event(
        &self,
        request: &EventCreateRequest,
    ) -> Result<EventCreateResponse, Error> {
        Ok(self.create_event_with_metadata(request).await?.data)
    }

    /// Reads one page of balances; the client's own where no level is asked for.
    ///
    /// # Errors
    /// [`Error::Validation`] without any subject filter, also in the settings;
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn get_balances(&self, params: &BalanceParams) -> Result<BalanceResponse, Error> {
        Ok(self.get_balances_with_metadata(params).await?.data)
    }

    /// Lists one page of reservations.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn list_reservations(
        &self,
        params: &ListReservationsParams,
    ) -> Result<ReservationListResponse, Error> {
        Ok(self.list_reservations_with_metadata(params).await?.data)
    }

    /// Reads one reservation.
    ///
    /// # Errors
    /// [`Error::Api`] with `RESERVATION_EXPIRED` (410) for an expired one.
    pub async fn get_reservation(&self, id: &ReservationId) -> Result<ReservationDetail, Error> {
        Ok(self.get_reservation_with_metadata(id).await?.data)
    }
}
