//! The nine operations, typed, without a guard.

use cycles_protocol::{
    BalanceParams, BalanceResponse, CommitRequest, CommitResponse, DecisionRequest,
    DecisionResponse, EventCreateRequest, EventCreateResponse, ExtendRequest, ExtendResponse,
    ListReservationsParams, Operation, ReleaseRequest, ReleaseResponse, ReservationCreateRequest,
    ReservationCreateResponse, ReservationDetail, ReservationId, ReservationListResponse,
};

use crate::client::CyclesClient;
use crate::error::Error;

impl CyclesClient {
    /// Reserves budget without a guard.
    ///
    /// # Errors
    /// [`Error::BudgetExceeded`], [`Error::Api`], [`Error::Transport`].
    pub async fn create_reservation(
        &self,
        request: &ReservationCreateRequest,
    ) -> Result<ReservationCreateResponse, Error> {
        self.check_process()?;
        let mut request = request.clone();
        request.subject = request.subject.or(&self.config().subject());
        let call = self.fresh_call();
        let created = self.create_once_more_if_unclear(&call, &request);
        Ok(self.bounded(Operation::CreateReservation, created).await?.0)
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
        self.check_process()?;
        let call = self.fresh_call();
        let answer = self.authority().commit(&call, id, request.clone());
        Ok(self.bounded(Operation::Commit, answer).await?.value)
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
        self.check_process()?;
        let call = self.fresh_call();
        let answer = self.authority().release(&call, id, request.clone());
        Ok(self.bounded(Operation::Release, answer).await?.value)
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
        self.check_process()?;
        let call = self.fresh_call();
        let answer = self.authority().extend(&call, id, request.clone());
        Ok(self.bounded(Operation::Extend, answer).await?.value)
    }

    /// Asks without holding.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn decide(&self, request: &DecisionRequest) -> Result<DecisionResponse, Error> {
        self.check_process()?;
        let mut request = request.clone();
        request.subject = request.subject.or(&self.config().subject());
        let call = self.fresh_call();
        let answer = self.authority().decide(&call, request);
        Ok(self.bounded(Operation::Decide, answer).await?.value)
    }

    /// Charges at once, without a reservation.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::BudgetExceeded`], [`Error::Transport`].
    pub async fn create_event(
        &self,
        request: &EventCreateRequest,
    ) -> Result<EventCreateResponse, Error> {
        self.check_process()?;
        let mut request = request.clone();
        request.subject = request.subject.or(&self.config().subject());
        let call = self.fresh_call();
        let answer = self.authority().create_event(&call, request);
        Ok(self.bounded(Operation::CreateEvent, answer).await?.value)
    }

    /// Reads one page of balances.
    ///
    /// # Errors
    /// [`Error::Validation`] without any subject filter, [`Error::Api`], [`Error::Transport`].
    pub async fn get_balances(&self, params: &BalanceParams) -> Result<BalanceResponse, Error> {
        self.check_process()?;
        if params.subject.levels().next().is_none() {
            return Err(Error::Validation(
                "at least one of tenant, workspace, app, workflow, agent, toolset is required"
                    .to_owned(),
            ));
        }
        let call = self.fresh_call();
        let answer = self.authority().get_balances(&call, params.clone());
        Ok(self.bounded(Operation::GetBalances, answer).await?.value)
    }

    /// Lists one page of reservations.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn list_reservations(
        &self,
        params: &ListReservationsParams,
    ) -> Result<ReservationListResponse, Error> {
        self.check_process()?;
        let call = self.fresh_call();
        let answer = self.authority().list_reservations(&call, params.clone());
        Ok(self.bounded(Operation::ListReservations, answer).await?.value)
    }

    /// Reads one reservation.
    ///
    /// # Errors
    /// [`Error::Api`] with `RESERVATION_EXPIRED` (410) for an expired one.
    pub async fn get_reservation(&self, id: &ReservationId) -> Result<ReservationDetail, Error> {
        self.check_process()?;
        let call = self.fresh_call();
        let answer = self.authority().get_reservation(&call, id);
        Ok(self.bounded(Operation::GetReservation, answer).await?.value)
    }
}
