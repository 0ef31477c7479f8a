//! [`Engine`]: what everything else hangs on.

use std::sync::Arc;

use cycles_protocol::authority::Answered;
use cycles_protocol::control::{
    ApiKeyCreateRequest, ApiKeyCreateResponse, BudgetCreateRequest, BudgetFundingRequest,
    BudgetFundingResponse, BudgetLedger, BudgetRef, Created, Tenant, TenantCreateRequest,
};
use cycles_protocol::*;

use crate::{LocalAuthority, Seed, SeedError};

/// An authority in process. Clones share one ledger.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

fn later<T: Send>() -> Answered<'static, T> {
    Box::pin(async { Err(Error::new(ErrorCode::InternalError, "skeleton")) })
}

impl Engine {
    /// An empty engine.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { shared: Arc::new(Shared { clock, random }) }
    }

    /// An engine that starts with `seed`.
    ///
    /// # Errors
    /// Names the entry of the seed that cannot be used.
    pub fn with_seed(
        _seed: &Seed,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, SeedError> {
        Ok(Self::new(clock, random))
    }

    /// The engine behind `api_key`, checked on every call as a server does.
    pub fn local(&self, api_key: impl Into<String>) -> LocalAuthority {
        LocalAuthority::new(self.clone(), api_key.into())
    }

    /// The clock that decides expiry.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Where ids come from.
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.shared.random
    }

    /// Expires what is due, in every tenant, and forgets what is past its
    /// retention. Only tidies: commands see expiry without it. Answers how many
    /// reservations expired.
    pub fn sweep(&self) -> usize {
        0
    }
}

impl Authority for Engine {
    fn create_reservation<'a>(&'a self, _: &'a Call, _: ReservationCreateRequest) -> Answered<'a, ReservationCreateResponse> { later() }
    fn commit<'a>(&'a self, _: &'a Call, _: &'a ReservationId, _: CommitRequest) -> Answered<'a, CommitResponse> { later() }
    fn release<'a>(&'a self, _: &'a Call, _: &'a ReservationId, _: ReleaseRequest) -> Answered<'a, ReleaseResponse> { later() }
    fn extend<'a>(&'a self, _: &'a Call, _: &'a ReservationId, _: ExtendRequest) -> Answered<'a, ExtendResponse> { later() }
    fn decide<'a>(&'a self, _: &'a Call, _: DecisionRequest) -> Answered<'a, DecisionResponse> { later() }
    fn create_event<'a>(&'a self, _: &'a Call, _: EventCreateRequest) -> Answered<'a, EventCreateResponse> { later() }
    fn get_balances<'a>(&'a self, _: &'a Call, _: BalanceParams) -> Answered<'a, BalanceResponse> { later() }
    fn list_reservations<'a>(&'a self, _: &'a Call, _: ListReservationsParams) -> Answered<'a, ReservationListResponse> { later() }
    fn get_reservation<'a>(&'a self, _: &'a Call, _: &'a ReservationId) -> Answered<'a, ReservationDetail> { later() }
}

impl Control for Engine {
    fn authenticate(&self, _: &str) -> Result<Principal, Error> { Err(Error::new(ErrorCode::InternalError, "skeleton")) }
    fn create_tenant(&self, _: TenantCreateRequest) -> Result<Created<Tenant>, Error> { Err(Error::new(ErrorCode::InternalError, "skeleton")) }
    fn create_api_key(&self, _: ApiKeyCreateRequest) -> Result<ApiKeyCreateResponse, Error> { Err(Error::new(ErrorCode::InternalError, "skeleton")) }
    fn create_budget(&self, _: BudgetCreateRequest) -> Result<BudgetLedger, Error> { Err(Error::new(ErrorCode::InternalError, "skeleton")) }
    fn get_budget(&self, _: &BudgetRef) -> Result<BudgetLedger, Error> { Err(Error::new(ErrorCode::InternalError, "skeleton")) }
    fn fund_budget(&self, _: &BudgetRef, _: BudgetFundingRequest) -> Result<BudgetFundingResponse, Error> { Err(Error::new(ErrorCode::InternalError, "skeleton")) }
    fn set_budget_frozen(&self, _: &BudgetRef, _: bool) -> Result<BudgetLedger, Error> { Err(Error::new(ErrorCode::InternalError, "skeleton")) }
}
