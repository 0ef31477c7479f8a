//! Creating, reading and freezing budgets.

use std::sync::Arc;

use cycles_ledger::budget::Opening;
use cycles_ledger::{Budget, CapsRule, Refusal};
use cycles_protocol::control::{
    BudgetCreateRequest, BudgetLedger, BudgetPeriod, BudgetRef, BudgetStatus, TenantStatus,
};
use cycles_protocol::strict::Validate;
use cycles_protocol::{Amount, Error, ErrorCode, SignedAmount, Unit, scope};

use crate::store::{BudgetId, BudgetRow, Periods, Tenant, TenantState, Turn};
use crate::{Engine, ids, time};

/// What a seed says of a budget and the spec's request cannot.
#[derive(Debug, Default)]
pub(super) struct Beyond {
    pub(super) caps: Option<CapsRule>,
    pub(super) period: Option<BudgetPeriod>,
}

impl Engine {
    pub(super) fn create_budget_now(
        &self,
        request: &BudgetCreateRequest,
    ) -> Result<BudgetLedger, Error> {
        request.validate()?;
        let scope = scope::canonical(&request.scope)?;
        let tenant = self.tenant_of(&scope)?;
        if request.tenant_id.as_ref().is_some_and(|id| *id != tenant.id) {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("scope does not start at the tenant scope={scope}"),
            ));
        }
        let (mut state, now) = self.turn(&tenant)?;
        if state.record.status == TenantStatus::Closed {
            return Err(tenant_closed(&tenant.id));
        }
        let opening = Opening {
            overdraft_limit: request.overdraft_limit.map_or(0, |limit| limit.amount),
            overage_policy: request.commit_overage_policy,
            ..Opening::of(request.allocated.amount)
        };
        self.add_budget(&mut state, now, (&scope, request.unit), opening, Beyond::default())
    }

    /// Adds a budget at a canonical scope of the tenant.
    pub(super) fn add_budget(
        &self,
        state: &mut TenantState,
        now: i64,
        (scope, unit): (&str, Unit),
        opening: Opening,
        beyond: Beyond,
    ) -> Result<BudgetLedger, Error> {
        let scopes = [scope.to_owned()];
        let budget =
            Budget::open(opening).map_err(|refusal| state.refuse(refusal, &scopes, unit))?;
        let granted = budget.allocated();
        let periods = beyond.period.map(|period| Periods::new(period, granted, now)).transpose()?;
        let row = BudgetRow {
            scope: Arc::from(scope),
            unit,
            ledger_id: format!("ldg_{}", ids::random(&**self.random()).simple()),
            created_at: now,
            budget,
            caps: beyond.caps,
            periods,
        };
        match state.budgets.insert(row) {
            Some(id) => Ok(ledger(&state.record.tenant_id, state.budgets.row(id))),
            None => Err(Error::new(
                ErrorCode::DuplicateResource,
                format!("the scope has a budget in this unit scope={scope} unit={unit}"),
            )),
        }
    }

    pub(super) fn get_budget_now(&self, budget: &BudgetRef) -> Result<BudgetLedger, Error> {
        self.on_budget(budget, |state, id, _| {
            Ok(ledger(&state.record.tenant_id, state.budgets.row(id)))
        })
    }

    pub(super) fn set_budget_frozen_now(
        &self,
        budget: &BudgetRef,
        frozen: bool,
    ) -> Result<BudgetLedger, Error> {
        self.on_budget(budget, |state, id, _| {
            if state.record.status == TenantStatus::Closed {
                return Err(tenant_closed(&state.record.tenant_id));
            }
            let before = state.budgets.row(id).budget;
            let after = before.frozen(frozen).map_err(|_| wrong_status(budget, before.status()))?;
            state.budgets.set(id, after);
            Ok(ledger(&state.record.tenant_id, state.budgets.row(id)))
        })
    }

    pub(super) fn set_budget_period_now(
        &self,
        budget: &BudgetRef,
        period: Option<BudgetPeriod>,
    ) -> Result<BudgetLedger, Error> {
        self.on_budget(budget, |state, id, now| {
            if state.record.status == TenantStatus::Closed {
                return Err(tenant_closed(&state.record.tenant_id));
            }
            let before = state.budgets.row(id).budget;
            if before.status() == BudgetStatus::Closed {
                let refusal = Refusal::BudgetClosed { scope: 0 };
                return Err(state.refuse(
                    refusal,
                    std::slice::from_ref(&budget.scope),
                    budget.unit,
                ));
            }
            let granted = before.allocated();
            let periods = period.map(|period| Periods::new(period, granted, now)).transpose()?;
            state.budgets.set_periods(id, periods);
            Ok(ledger(&state.record.tenant_id, state.budgets.row(id)))
        })
    }

    /// Runs `change` on a budget under its tenant's lock.
    pub(super) fn on_budget<T>(
        &self,
        budget: &BudgetRef,
        change: impl FnOnce(&mut Turn<'_>, BudgetId, i64) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let missing = || {
            Error::new(
                ErrorCode::BudgetNotFound,
                format!("budget not found scope={} unit={}", budget.scope, budget.unit),
            )
        };
        // A reference can be written by hand; scopes are kept in lower case.
        let scope = budget.scope.to_ascii_lowercase();
        let tenant = scope::tenant(&scope).and_then(|id| self.find_tenant(id));
        let tenant = tenant.ok_or_else(missing)?;
        let (mut state, now) = self.turn(&tenant)?;
        let id = state.budgets.find(&scope, budget.unit).ok_or_else(missing)?;
        change(&mut state, id, now)
    }

    pub(super) fn tenant_of(&self, scope: &str) -> Result<Arc<Tenant>, Error> {
        let id = scope::tenant(scope).unwrap_or_default();
        self.find_tenant(id).ok_or_else(|| {
            Error::new(ErrorCode::TenantNotFound, format!("tenant not found tenant_id={id}"))
        })
    }
}

pub(super) fn tenant_closed(tenant: &str) -> Error {
    Refusal::TenantClosed.into_error(cycles_ledger::Place {
        tenant,
        scopes: &[],
        unit: Unit::Unknown,
    })
}

/// The governance plane answers an illegal transition with `INVALID_REQUEST`
/// and 409, where the code's own status is 400 (semantics 1.7).
fn wrong_status(budget: &BudgetRef, status: BudgetStatus) -> Error {
    let BudgetRef { scope, unit } = budget;
    let error = Error::new(
        ErrorCode::InvalidRequest,
        format!("budget cannot change from this status scope={scope} unit={unit} status={status}"),
    );
    Error::from_response(409, error.to_response("", ""), None)
}

/// A budget as the governance plane shows it.
pub(crate) fn ledger(tenant: &str, row: &BudgetRow) -> BudgetLedger {
    let BudgetRow { budget, unit, periods, .. } = row;
    let periods = periods.as_ref();
    let amount = |amount| Amount::new(*unit, amount);
    BudgetLedger {
        ledger_id: row.ledger_id.clone(),
        tenant_id: tenant.to_owned(),
        scope: row.scope.to_string(),
        scope_path: row.scope.to_string(),
        unit: *unit,
        allocated: amount(budget.allocated()),
        remaining: SignedAmount::new(*unit, budget.remaining()),
        reserved: amount(budget.reserved()),
        spent: amount(budget.spent()),
        debt: amount(budget.debt()),
        overdraft_limit: amount(budget.overdraft_limit()),
        is_over_limit: budget.is_over_limit(),
        commit_overage_policy: budget.overage_policy(),
        rollover_policy: periods.map(|periods| periods.asked.rollover()),
        period_start: periods.map(|periods| time::iso(periods.current.start)),
        period_end: periods.map(|periods| time::iso(periods.current.end)),
        status: budget.status(),
        created_at: time::iso(row.created_at),
    }
}
