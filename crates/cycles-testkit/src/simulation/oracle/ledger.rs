//! Budgets as their history, and what is held on them as a sum.

use cycles_protocol::control::BudgetStatus;
use cycles_protocol::scope::Level;
use cycles_protocol::{Amount, Balance, CommitOveragePolicy, SignedAmount, Subject, Unit};

use super::period::Period;
use super::{Oracle, Tenant};
use crate::simulation::answer::Figures;
use crate::simulation::world::BudgetPlan;

/// What happened to a budget's money.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry {
    Charged { paid: i128, owed: i128 },
    Credited(i128),
    Debited(i128),
    Repaid { debt: i128, rest: i128 },
    Reset { allocated: i128 },
    ResetSpent { allocated: i128, spent: i128 },
}

/// A budget.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) scope: String,
    pub(super) unit: Unit,
    pub(super) overdraft_limit: i128,
    pub(super) overage_policy: Option<CommitOveragePolicy>,
    pub(super) status: BudgetStatus,
    pub(super) is_over_limit: bool,
    pub(super) period: Option<Period>,
    /// Before the first entry; nothing is held in it.
    opening: Sums,
    history: Vec<Entry>,
}

/// A budget's amounts, wide enough for whatever is computed with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) allocated: i128,
    pub(super) spent: i128,
    pub(super) reserved: i128,
    pub(super) debt: i128,
}

impl Sums {
    /// spec: LEDGER INVARIANT
    pub(super) fn remaining(self) -> i128 {
        self.allocated - self.spent - self.reserved - self.debt
    }

    fn after(mut self, entry: Entry) -> Self {
        match entry {
            Entry::Charged { paid, owed } => {
                self.spent += paid;
                self.debt += owed;
            }
            Entry::Credited(amount) => self.allocated += amount,
            Entry::Debited(amount) => self.allocated -= amount,
            Entry::Repaid { debt, rest } => {
                self.debt -= debt;
                self.allocated += rest;
            }
            Entry::Reset { allocated } => self.allocated = allocated,
            Entry::ResetSpent { allocated, spent } => {
                self.allocated = allocated;
                self.spent = spent;
            }
        }
        self
    }

    /// Whether the wire's 64-bit integers hold it; what they do not hold is
    /// refused whole.
    pub(super) fn fits(self) -> bool {
        let Self { allocated, spent, reserved, debt } = self;
        [allocated, spent, reserved, debt].iter().all(|sum| *sum >= 0 && *sum <= i64::MAX.into())
            && i64::try_from(self.remaining()).is_ok()
    }
}

impl Budget {
    /// The budget that is made at `now`.
    pub(super) fn from_plan(plan: &BudgetPlan, now: i64) -> Self {
        let period = |plan_of| Period::from_plan(plan_of, plan.allocated.into(), now);
        Self {
            scope: plan.scope.clone(),
            unit: plan.unit,
            overdraft_limit: plan.overdraft_limit.into(),
            overage_policy: plan.overage_policy,
            status: plan.status,
            is_over_limit: plan.is_over_limit,
            period: plan.period.map(period),
            opening: Sums {
                allocated: plan.allocated.into(),
                spent: plan.spent.into(),
                reserved: 0,
                debt: plan.debt.into(),
            },
            history: Vec::new(),
        }
    }

    pub(super) fn enter(&mut self, entry: Entry) {
        self.history.push(entry);
    }

    /// The sums with `reserved` held.
    pub(super) fn sums(&self, reserved: i128) -> Sums {
        let sums = self.history.iter().fold(self.opening, |sums, entry| sums.after(*entry));
        Sums { reserved, ..sums }
    }

    /// Makes the history so far the opening.
    pub(super) fn summarise(&mut self) {
        self.opening = self.sums(0);
        self.history.clear();
    }
}

/// The sums as they would be after an entry.
pub(super) fn after(sums: Sums, entry: Entry) -> Sums {
    sums.after(entry)
}

impl Tenant {
    /// The budgets of these scopes in a unit, root first; scopes without one are
    /// skipped (spec: SCOPE DERIVATION).
    pub(super) fn budgets_of(&self, scopes: &[String], unit: Unit) -> Vec<usize> {
        let at = |scope: &String| {
            self.budgets.iter().position(|budget| budget.scope == *scope && budget.unit == unit)
        };
        scopes.iter().filter_map(at).collect()
    }

    /// Whether any of these scopes has a budget in any unit.
    pub(super) fn has_other_unit(&self, scopes: &[String]) -> bool {
        self.budgets.iter().any(|budget| scopes.contains(&budget.scope))
    }
}

impl Oracle {
    /// What is held: the sum over the open reservations.
    pub(super) fn sums(&self, tenant: usize, budget: usize) -> Sums {
        let Tenant { open, budgets, .. } = &self.tenants[tenant];
        let held = open.iter().map(|serial| &self.records[serial]);
        let held = held.filter(|record| record.holds_on.contains(&budget));
        budgets[budget].sums(held.map(|record| i128::from(record.request.estimate.amount)).sum())
    }

    pub(super) fn figures_of(&self, tenant: usize, budget: usize) -> Figures {
        let sums = self.sums(tenant, budget);
        let budget = &self.tenants[tenant].budgets[budget];
        Figures {
            scope: budget.scope.clone(),
            unit: budget.unit,
            allocated: narrow(sums.allocated),
            spent: narrow(sums.spent),
            reserved: narrow(sums.reserved),
            debt: narrow(sums.debt),
            remaining: narrow(sums.remaining()),
            overdraft_limit: narrow(budget.overdraft_limit),
            is_over_limit: budget.is_over_limit,
            status: budget.status,
        }
    }

    /// The balances that an answer carries.
    pub(super) fn balances_of(&self, tenant: usize, budgets: &[usize]) -> Vec<Balance> {
        budgets.iter().map(|budget| balance(&self.figures_of(tenant, *budget))).collect()
    }
}

/// A budget as the runtime plane shows it.
pub(super) fn balance(figures: &Figures) -> Balance {
    let unit = figures.unit;
    let amount = |amount| Some(Amount::new(unit, amount));
    let mut balance = Balance::new(&figures.scope, SignedAmount::new(unit, figures.remaining));
    // spec: `Balance.scope` is the last segment
    let leaf = figures.scope.split('/').next_back();
    balance.scope = leaf.map(str::to_owned).unwrap_or_default();
    balance.reserved = amount(figures.reserved);
    balance.spent = amount(figures.spent);
    balance.debt = amount(figures.debt);
    balance.allocated = amount(figures.allocated);
    balance.overdraft_limit = amount(figures.overdraft_limit);
    balance.is_over_limit = Some(figures.is_over_limit);
    balance
}

/// spec: SCOPE DERIVATION; decision: "Subject without a tenant"
pub(super) fn scopes(subject: &Subject, tenant: &str) -> Vec<String> {
    let mut segments = vec![format!("tenant:{tenant}")];
    for level in [Level::Workspace, Level::App, Level::Workflow, Level::Agent, Level::Toolset] {
        if let Some(value) = subject.get(level) {
            segments.push(format!("{}:{}", level.as_str(), value.to_lowercase()));
        }
    }
    (1..=segments.len()).map(|depth| segments[..depth].join("/")).collect()
}

/// Back to the wire's width; whatever does not fit was refused before.
pub(super) fn narrow(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(i64::MIN)
}
