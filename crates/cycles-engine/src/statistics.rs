//! How things stand, for gauges and records.

use cycles_protocol::control::BudgetLedger;
use cycles_protocol::{Balance, Unit, scope};

use crate::Engine;
use crate::control::budgets::ledger;

/// How things stand with one tenant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TenantStatistics {
    /// Whose.
    pub tenant_id: String,
    /// Reservations that hold something.
    pub open_reservations: usize,
    /// Requests that wait for the tenant's lock.
    pub waiting: usize,
    /// Reservations that expired since the start.
    pub expired: u64,
    /// Charges that made or raised a debt since the start.
    pub overdrafts: u64,
    /// The first budgets, as many as were asked for.
    pub budgets: Vec<BudgetLedger>,
    /// All budgets.
    pub budget_count: usize,
}

impl Engine {
    /// The balances of those `scopes` of one tenant that have a budget in `unit`,
    /// root first, as memory has them: for a look, not for an answer, since they
    /// may not be on disk yet.
    #[must_use]
    pub fn peek(&self, scopes: &[String], unit: Unit) -> Vec<Balance> {
        let _memory = self.looking();
        let tenant = scopes.first().and_then(|root| scope::tenant(root));
        let Some(tenant) = tenant.and_then(|id| self.find_tenant(id)) else { return Vec::new() };
        self.turn(&tenant).map_or_else(
            |_| Vec::new(),
            |(state, _)| state.budgets.live_balances(&state.budgets.slots(scopes, unit)),
        )
    }

    /// How things stand, tenant by tenant, with at most `budgets` budgets of each.
    /// A tenant that too many wait for is left out.
    #[must_use]
    pub fn statistics(&self, budgets: usize) -> Vec<TenantStatistics> {
        let _memory = self.looking();
        let mut all = Vec::new();
        for tenant in self.all_tenants() {
            let waiting = tenant.waiting();
            let Ok((state, _)) = self.turn(&tenant) else { continue };
            let rows = state.budgets.rows();
            all.push(TenantStatistics {
                tenant_id: tenant.id.clone(),
                open_reservations: state.reservations.open(),
                waiting,
                expired: state.expired,
                overdrafts: state.budgets.overdrafts(),
                budgets: rows.iter().take(budgets).map(|row| ledger(&tenant.id, row)).collect(),
                budget_count: rows.len(),
            });
        }
        all
    }
}
