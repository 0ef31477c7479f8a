//! A tenant's budgets.

use std::num::NonZeroU32;
use std::sync::Arc;

use cycles_ledger::{Budget, Budgets, CapsRule, MAX_SCOPES, ScopeSet, UnitSet};
use cycles_protocol::{Amount, Balance, Error, SignedAmount, Unit};
use hashbrown::HashMap;

use super::{Amounts, KeptPeriods, Periods};
use crate::durable::log::Log;

/// One budget and what names it.
#[derive(Debug, Clone)]
pub struct BudgetRow {
    /// Its canonical scope.
    pub scope: Arc<str>,
    /// The unit of all its amounts.
    pub unit: Unit,
    /// Names it on the governance plane.
    pub ledger_id: String,
    /// When it was made.
    pub created_at: i64,
    /// What the ledger knows of it.
    pub budget: Budget,
    /// Caps of whatever draws on it.
    pub caps: Option<CapsRule>,
    /// How it starts anew, if it does.
    pub(crate) periods: Option<Periods>,
}

impl BudgetRow {
    /// A row that a store kept.
    ///
    /// # Errors
    /// For periods that cannot be.
    pub fn kept(
        (scope, unit): (Arc<str>, Unit),
        (ledger_id, created_at): (String, i64),
        budget: Budget,
        caps: Option<CapsRule>,
        periods: Option<KeptPeriods>,
    ) -> Result<Self, Error> {
        let periods = periods.map(Periods::restored).transpose()?;
        Ok(Self { scope, unit, ledger_id, created_at, budget, caps, periods })
    }

    /// Its periods, as a store keeps them.
    #[must_use]
    pub fn periods(&self) -> Option<KeptPeriods> {
        self.periods.as_ref().map(Periods::kept)
    }
}

/// Where a budget stands in its tenant's table; budgets are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetId(NonZeroU32);

impl BudgetId {
    fn of(index: usize) -> Option<Self> {
        NonZeroU32::new(u32::try_from(index).ok()?.checked_add(1)?).map(Self)
    }

    /// Its number among its tenant's budgets, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The budget of a number; 0 is none's.
    #[must_use]
    pub const fn numbered(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Which budget each of a subject's scopes has, root first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slots([Option<BudgetId>; MAX_SCOPES]);

impl Slots {
    /// The budgets by position.
    #[must_use]
    pub const fn new(scopes: [Option<BudgetId>; MAX_SCOPES]) -> Self {
        Self(scopes)
    }

    /// The budgets by position.
    #[must_use]
    pub const fn positions(&self) -> &[Option<BudgetId>; MAX_SCOPES] {
        &self.0
    }

    fn ids(&self) -> impl Iterator<Item = BudgetId> {
        self.0.iter().copied().flatten()
    }

    /// The scopes whose budget both have. The same scope stands at the same
    /// position in every subject that derives it.
    pub(crate) fn shared(&self, other: &Self) -> ScopeSet {
        let pairs = self.0.iter().zip(&other.0).enumerate();
        pairs
            .filter(|(_, (one, other))| one.is_some() && one == other)
            .fold(ScopeSet::default(), |set, (position, _)| set.with(position))
    }
}

/// All budgets of a tenant.
#[derive(Debug)]
pub(crate) struct BudgetTable {
    rows: Vec<BudgetRow>,
    by_scope: HashMap<Arc<str>, ByUnit>,
    /// No budget's period ends before this moment.
    next_period: i64,
    /// Charges that made or raised a debt since the start.
    overdrafts: u64,
    /// What is new, and what changed.
    pub(crate) log: Log<BudgetId>,
    /// How many of the rows a store was given.
    pub(crate) kept: usize,
}

impl Default for BudgetTable {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            by_scope: HashMap::new(),
            next_period: i64::MAX,
            overdrafts: 0,
            log: Log::default(),
            kept: 0,
        }
    }
}

type ByUnit = [Option<BudgetId>; Unit::ALL.len()];

fn index(unit: Unit) -> Option<usize> {
    Unit::ALL.iter().position(|known| *known == unit)
}

impl BudgetTable {
    /// Adds a budget; `None` when the scope has one in that unit.
    pub(crate) fn insert(&mut self, row: BudgetRow) -> Option<BudgetId> {
        let id = BudgetId::of(self.rows.len())?;
        let units = self.by_scope.entry(Arc::clone(&row.scope)).or_default();
        let slot = &mut units[index(row.unit)?];
        if slot.is_some() {
            return None;
        }
        *slot = Some(id);
        self.rows.push(row);
        self.log.note(|| id);
        self.note_period(id);
        Some(id)
    }

    /// Gives a budget other periods, or none.
    pub(crate) fn set_periods(&mut self, id: BudgetId, periods: Option<Periods>) {
        self.rows[id.index()].periods = periods;
        self.log.note(|| id);
        self.note_period(id);
    }

    /// What each period starts with from the next one on, if there are any.
    pub(crate) fn set_granted(&mut self, id: BudgetId, granted: i64) {
        if let Some(periods) = &mut self.rows[id.index()].periods {
            periods.granted = granted;
            self.log.note(|| id);
        }
    }

    fn note_period(&mut self, id: BudgetId) {
        if let Some(periods) = &self.row(id).periods {
            self.next_period = self.next_period.min(periods.current.end);
        }
    }

    /// Begins every period that `now` lies in.
    pub(crate) fn roll(&mut self, now: i64) {
        if now < self.next_period {
            return;
        }
        self.next_period = i64::MAX;
        for index in 0..self.rows.len() {
            let Some(id) = BudgetId::of(index) else { return };
            let row = &self.rows[index];
            let rolled = row.periods.as_ref().and_then(|periods| periods.roll(row.budget, now));
            if let Some((current, budget)) = rolled {
                if let Some(periods) = &mut self.rows[index].periods {
                    periods.current = current;
                }
                self.set(id, budget);
            }
            self.note_period(id);
        }
    }

    pub(crate) fn find(&self, scope: &str, unit: Unit) -> Option<BudgetId> {
        self.by_scope.get(scope)?[index(unit)?]
    }

    pub(crate) fn row(&self, id: BudgetId) -> &BudgetRow {
        &self.rows[id.index()]
    }

    pub(crate) fn set(&mut self, id: BudgetId, budget: Budget) {
        self.rows[id.index()].budget = budget;
        self.log.note(|| id);
    }

    /// Whether a store was given the budget itself, and not only its amounts.
    pub(crate) fn is_kept(&self, id: BudgetId) -> bool {
        id.index() < self.kept
    }

    /// Every budget's place.
    pub(crate) fn places(&self) -> impl Iterator<Item = BudgetId> + use<> {
        (0..self.rows.len()).filter_map(BudgetId::of)
    }

    pub(crate) fn rows(&self) -> &[BudgetRow] {
        &self.rows
    }

    /// The budgets of `scopes` in `unit`.
    pub(crate) fn slots(&self, scopes: &[String], unit: Unit) -> Slots {
        let mut slots = Slots::default();
        for (slot, scope) in slots.0.iter_mut().zip(scopes) {
            *slot = self.find(scope, unit);
        }
        slots
    }

    /// The snapshot that a command reads.
    pub(crate) fn load(&self, slots: &Slots) -> Budgets {
        let mut scopes = [None; MAX_SCOPES];
        for (scope, id) in scopes.iter_mut().zip(slots.0) {
            *scope = id.map(|id| self.row(id).budget);
        }
        Budgets::new(scopes)
    }

    /// From when on every budget covers `requested` because a period has begun,
    /// if nothing else changes; none where time does not help.
    pub(crate) fn covers_from(&self, slots: &Slots, requested: i64) -> Option<i64> {
        let mut from = None;
        for row in slots.ids().map(|id| self.row(id)) {
            if row.budget.remaining() >= requested {
                continue;
            }
            let periods = row.periods.as_ref()?;
            let (_, next) = periods.roll(row.budget, periods.current.end)?;
            if next.remaining() < requested {
                return None;
            }
            from = from.max(Some(periods.current.end));
        }
        from
    }

    /// The caps that the budgets carry, with their positions.
    pub(crate) fn caps(&self, slots: &Slots) -> impl Iterator<Item = (usize, &CapsRule)> {
        let slots = slots.0.into_iter().enumerate();
        slots.filter_map(|(position, id)| Some((position, self.row(id?).caps.as_ref()?)))
    }

    /// Writes what a command changed.
    pub(crate) fn store(&mut self, slots: &Slots, budgets: &Budgets) {
        let mut is_overdraft = false;
        for (id, (_, budget)) in slots.ids().zip(budgets.iter()) {
            is_overdraft |= budget.debt() > self.row(id).budget.debt();
            self.set(id, *budget);
        }
        self.overdrafts += u64::from(is_overdraft);
    }

    /// Charges that made or raised a debt since the start.
    pub(crate) const fn overdrafts(&self) -> u64 {
        self.overdrafts
    }

    /// Which units the scope has budgets in.
    pub(crate) fn units(&self, scope: &str) -> UnitSet {
        let units = self.by_scope.get(scope).into_iter().flatten().flatten();
        units.fold(UnitSet::default(), |set, id| set.with(self.row(*id).unit))
    }

    /// The balances of the budgeted scopes, root first, as of `amounts`.
    pub(crate) fn balances(
        &self,
        slots: &Slots,
        amounts: impl IntoIterator<Item = Amounts>,
    ) -> Vec<Balance> {
        let rows = slots.ids().map(|id| self.row(id));
        rows.zip(amounts).map(|(row, amounts)| balance(&row.scope, row.unit, amounts)).collect()
    }

    /// The balances of the budgeted scopes, root first, as they are.
    pub(crate) fn live_balances(&self, slots: &Slots) -> Vec<Balance> {
        self.balances(slots, slots.ids().map(|id| Amounts::from(&self.row(id).budget)))
    }
}

/// A budget as the runtime plane shows it, every field set.
pub(crate) fn balance(scope: &str, unit: Unit, amounts: Amounts) -> Balance {
    let amount = |amount| Some(Amount::new(unit, amount));
    let mut balance = Balance::new(scope, SignedAmount::new(unit, amounts.remaining()));
    balance.reserved = amount(amounts.reserved);
    balance.spent = amount(amounts.spent);
    balance.debt = amount(amounts.debt);
    balance.allocated = amount(amounts.allocated);
    balance.overdraft_limit = amount(amounts.overdraft_limit);
    balance.is_over_limit = Some(amounts.is_over_limit);
    balance
}
