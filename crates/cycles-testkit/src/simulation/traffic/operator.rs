//! Operators: they look where it hurts, fund, freeze and thaw, and release what
//! hangs.

use cycles_protocol::control::{
    BudgetCreateRequest, BudgetFundingRequest, BudgetRef, BudgetStatus, FundingOperation,
};
use cycles_protocol::{Amount, ListReservationsParams, Subject, Unit};
use serde_json::json;

use super::Traffic;
use crate::simulation::answer::Figures;
use crate::simulation::command::{Act, Caller, Command};
use crate::simulation::oracle::Oracle;
use crate::simulation::world::{self, Rule, UNITS};

/// A tenant's budgets grow no further than this, so that steps stay alike.
const BUDGETS_MAX: usize = 32;

impl Traffic {
    pub(super) fn operate(&mut self, oracle: &Oracle) -> Command {
        let act = match self.dice.below(100) {
            0..3 => Act::Sweep,
            3..6 => self.look_at_reservations(oracle),
            6..8 => self.release_anything(oracle),
            8..10 => self.found(oracle).unwrap_or(Act::Sweep),
            10..12 => self.mistake(),
            _ => self.tend(oracle).unwrap_or(Act::Sweep),
        };
        let is_wire = self.is_wire(&act);
        Command { caller: Caller::Admin, is_wire, act }
    }

    /// Funds, freezes or thaws one budget, mostly one that needs it.
    fn tend(&mut self, oracle: &Oracle) -> Option<Act> {
        let tenant = self.dice.below(self.tenants.len());
        let budgets = oracle.figures(tenant);
        let ailing: Vec<_> =
            budgets.iter().filter(|(_, figures)| is_ailing(figures)).cloned().collect();
        let (budget, figures) = if self.dice.percent(80) && !ailing.is_empty() {
            self.dice.pick(&ailing)?.clone()
        } else {
            self.dice.pick(&budgets)?.clone()
        };
        if figures.status == BudgetStatus::Frozen && self.dice.percent(60) {
            return Some(Act::Freeze(budget, false));
        }
        if self.dice.percent(6) {
            return Some(Act::Freeze(budget, self.dice.percent(80)));
        }
        let request = self.funding(&budget, &figures, self.tenants[tenant].1);
        Some(Act::Fund(budget, request))
    }

    /// Under a single policy only what keeps the invariants of 4.2 meaningful:
    /// credit, and paying debt.
    fn funding(
        &mut self,
        budget: &BudgetRef,
        figures: &Figures,
        rule: Rule,
    ) -> BudgetFundingRequest {
        use FundingOperation::{Credit, Debit, RepayDebt, Reset, ResetSpent};
        let operation = match rule {
            Rule::Only(_) if figures.debt > 0 => self.dice.one_of([RepayDebt, RepayDebt, Credit]),
            Rule::Only(_) => Credit,
            Rule::Any if is_odd(figures) => ResetSpent,
            Rule::Any if figures.debt > 0 && self.dice.percent(50) => RepayDebt,
            Rule::Any => self.dice.one_of([Credit, Credit, Credit, Debit, Reset, ResetSpent]),
        };
        let amount = match self.dice.below(200) {
            0..30 if figures.debt > 0 => figures.debt,
            30..60 => self.dice.between(0..=1_000),
            60..65 => figures.remaining.max(0),
            65..70 => figures.remaining.max(0).saturating_add(1),
            // More than 64 bits hold, sooner or later.
            70 if rule == Rule::Any => self.dice.one_of([i64::MAX, i64::MAX / 2]),
            71..170 => self.dice.between(1_000..=4_000),
            _ => self.dice.between(4_000..=30_000),
        };
        let unit = if self.dice.in_ten_thousand(100) { self.unit() } else { budget.unit };
        let spent = match self.dice.below(100) {
            _ if operation != ResetSpent => None,
            0..4 => Some(self.dice.one_of([i64::MAX, i64::MAX - 1])),
            4..35 => Some(self.dice.between(0..=2_000)),
            _ => None,
        };
        let spent = spent.map(|spent| Amount::new(unit, spent));
        BudgetFundingRequest {
            operation,
            amount: Amount::new(unit, amount),
            spent,
            reason: None,
            idempotency_key: self.dice.percent(50).then(|| self.fresh_key().into()),
            metadata: None,
        }
    }

    /// A new budget, or one that is there already.
    fn found(&mut self, oracle: &Oracle) -> Option<Act> {
        let tenant = self.dice.below(self.tenants.len());
        let (id, rule) = self.tenants[tenant];
        if oracle.figures(tenant).len() >= BUDGETS_MAX {
            return None;
        }
        let unit = self.dice.one_of(UNITS);
        let policy = match rule {
            Rule::Only(policy) => Some(policy),
            Rule::Any => self.dice.maybe(30, world::policy),
        };
        let request = json!({
            "tenant_id": id,
            "scope": world::scope(&mut self.dice, id),
            "unit": unit,
            "allocated": Amount::new(unit, self.dice.between(0..=20_000)),
            "overdraft_limit": Amount::new(unit, self.dice.one_of([0, 0, 500, 3_000])),
        });
        let request: BudgetCreateRequest = serde_json::from_value(request).ok()?;
        Some(Act::CreateBudget(BudgetCreateRequest { commit_overage_policy: policy, ..request }))
    }

    fn look_at_reservations(&mut self, oracle: &Oracle) -> Act {
        let tenant = self.dice.below(oracle.tenants());
        let tenant = match self.dice.below(10) {
            0 => None,
            1 => Some("nowhere".to_owned()),
            _ => Some(oracle.tenant_id(tenant).to_owned()),
        };
        Act::List(ListReservationsParams {
            subject: Subject { tenant, ..Subject::default() },
            ..ListReservationsParams::default()
        })
    }

    fn release_anything(&mut self, oracle: &Oracle) -> Act {
        let (_, next) = oracle.serials();
        // One of the last; those still hold.
        let back = self.dice.between(1..=30).unsigned_abs();
        match oracle.some_reservation(next.saturating_sub(back)).cloned() {
            Some(id) if self.dice.percent(50) => Act::Get(id),
            Some(id) => self.release(&id),
            None => Act::Sweep,
        }
    }

    fn mistake(&mut self) -> Act {
        let scope = self.dice.one_of(["tenant:acme/toolset:none", "tenant:nowhere"]);
        let budget = BudgetRef { scope: scope.to_owned(), unit: Unit::Tokens };
        Act::Freeze(budget, true)
    }
}

fn is_ailing(figures: &Figures) -> bool {
    figures.is_over_limit
        || figures.debt > 0
        || figures.remaining < 1_000
        || figures.status == BudgetStatus::Frozen
        || is_odd(figures)
}

/// Near the end of 64 bits.
fn is_odd(figures: &Figures) -> bool {
    figures.allocated > i64::MAX / 4 || figures.spent > i64::MAX / 4
}
