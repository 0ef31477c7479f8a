//! The low-level calls with what their headers said.

use cycles_protocol::{
    Answer, BalanceResponse, Call, CommitRequest, CommitResponse, DecisionRequest,
    DecisionResponse, Error as Refusal, ErrorCode, EventCreateRequest, EventCreateResponse,
    ExtendRequest, ExtendResponse, Operation, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationDetail, ReservationId,
    ReservationListResponse, Unit,
};

use crate::client::CyclesClient;
use crate::error::Error;
use crate::params::{BalanceParams, ListReservationsParams};
use crate::response::ApiResponse;

impl CyclesClient {
    /// [`create_reservation`](Self::create_reservation), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn create_reservation_with_metadata(
        &self,
        request: &ReservationCreateRequest,
    ) -> Result<ApiResponse<ReservationCreateResponse>, Error> {
        let call = self.begin_call()?;
        let mut request = request.clone();
        self.config().fill(&mut request.subject);
        let created = self.create_once_more_if_unclear(&call, &request, None);
        let created = self.bounded(Operation::CreateReservation, created).await;
        with_headers(created.map(|(answer, _)| answer), &call)
    }

    /// [`commit_reservation`](Self::commit_reservation), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn commit_reservation_with_metadata(
        &self,
        id: &ReservationId,
        request: &CommitRequest,
    ) -> Result<ApiResponse<CommitResponse>, Error> {
        let call = self.begin_call()?;
        let answer = self.authority().commit(&call, id, request);
        let answer = self.bounded(Operation::Commit, answer).await;
        with_headers(answer, &call)
    }

    /// [`release_reservation`](Self::release_reservation), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn release_reservation_with_metadata(
        &self,
        id: &ReservationId,
        request: &ReleaseRequest,
    ) -> Result<ApiResponse<ReleaseResponse>, Error> {
        let call = self.begin_call()?;
        let answer = self.authority().release(&call, id, request.clone());
        let answer = self.bounded(Operation::Release, answer).await;
        with_headers(answer, &call)
    }

    /// [`extend_reservation`](Self::extend_reservation), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn extend_reservation_with_metadata(
        &self,
        id: &ReservationId,
        request: &ExtendRequest,
    ) -> Result<ApiResponse<ExtendResponse>, Error> {
        let call = self.begin_call()?;
        let answer = self.authority().extend(&call, id, request.clone());
        let answer = self.bounded(Operation::Extend, answer).await;
        with_headers(answer, &call)
    }

    /// [`decide`](Self::decide), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn decide_with_metadata(
        &self,
        request: &DecisionRequest,
    ) -> Result<ApiResponse<DecisionResponse>, Error> {
        let call = self.begin_call()?;
        let mut request = request.clone();
        self.config().fill(&mut request.subject);
        let unit = request.estimate.unit;
        let answer = self.authority().decide(&call, request);
        let answer = self.bounded(Operation::Decide, answer).await;
        with_headers(answer.map_err(|error| with_unit(error, unit)), &call)
    }

    /// [`create_event`](Self::create_event), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn create_event_with_metadata(
        &self,
        request: &EventCreateRequest,
    ) -> Result<ApiResponse<EventCreateResponse>, Error> {
        let call = self.begin_call()?;
        let mut request = request.clone();
        self.config().fill(&mut request.subject);
        let unit = request.actual.unit;
        let answer = self.authority().create_event(&call, request);
        let answer = self.bounded(Operation::CreateEvent, answer).await;
        with_headers(answer.map_err(|error| with_unit(error, unit)), &call)
    }

    /// [`get_balances`](Self::get_balances), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn get_balances_with_metadata(
        &self,
        params: &BalanceParams,
    ) -> Result<ApiResponse<BalanceResponse>, Error> {
        let call = self.begin_call()?;
        let params = params.read(self.config().subject())?;
        let answer = self.authority().get_balances(&call, params);
        let answer = self.bounded(Operation::GetBalances, answer).await;
        with_headers(answer, &call)
    }

    /// [`list_reservations`](Self::list_reservations), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn list_reservations_with_metadata(
        &self,
        params: &ListReservationsParams,
    ) -> Result<ApiResponse<ReservationListResponse>, Error> {
        let call = self.begin_call()?;
        let answer = self.authority().list_reservations(&call, params.read()?);
        let answer = self.bounded(Operation::ListReservations, answer).await;
        with_headers(answer, &call)
    }

    /// [`get_reservation`](Self::get_reservation), with the headers.
    ///
    /// # Errors
    /// As there.
    pub async fn get_reservation_with_metadata(
        &self,
        id: &ReservationId,
    ) -> Result<ApiResponse<ReservationDetail>, Error> {
        let call = self.begin_call()?;
        let answer = self.authority().get_reservation(&call, id);
        let answer = self.bounded(Operation::GetReservation, answer).await;
        with_headers(answer, &call)
    }

    fn begin_call(&self) -> Result<Call, Refusal> {
        self.check_process()?;
        self.start_replay();
        Ok(self.fresh_call())
    }
}

fn with_headers<T>(
    answer: Result<Answer<T>, Refusal>,
    call: &Call,
) -> Result<ApiResponse<T>, Error> {
    let answer = answer.map_err(|error| error.in_trace(&call.trace_id))?;
    Ok(ApiResponse::new(answer, call))
}

/// How the reference server says that a scope has no budget in this unit.
const NO_BUDGET: &str = "Budget not found for provided scope";

/// Budgets are kept by scope and unit: one in another unit is not found, which a
/// message about the scope alone hides.
pub(crate) fn with_unit(error: Refusal, unit: Unit) -> Refusal {
    if error.code() == ErrorCode::NotFound && error.message().starts_with(NO_BUDGET) {
        return error.advise(&format!("; is there a budget in this unit? unit={unit}"));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_is_not_found_is_asked_for_by_unit() {
        let missing = Refusal::new(ErrorCode::NotFound, format!("{NO_BUDGET}: tenant:acme"));
        assert!(with_unit(missing, Unit::Tokens).message().ends_with("unit=TOKENS"));
        for other in [
            Refusal::new(ErrorCode::NotFound, "no such reservation"),
            Refusal::new(ErrorCode::Forbidden, NO_BUDGET),
        ] {
            assert_eq!(with_unit(other.clone(), Unit::Tokens).message(), other.message());
        }
    }
}
