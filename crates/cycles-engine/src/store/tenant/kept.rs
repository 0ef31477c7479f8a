//! What a store is given of a tenant, and takes it back from at the start.

use std::sync::Arc;

use cycles_protocol::Error;
use cycles_protocol::control::ScopePattern;
use uuid::Uuid;

use super::TenantState;
use crate::control::policy_row_of;
use crate::durable::{Change, Changes, DurableStore, Replay, TenantContents, unavailable};
use crate::store::reservations::Touched;
use crate::store::{BudgetId, Record};

impl TenantState {
    /// From now on, what changes is noted for a store.
    pub(super) fn keep(&mut self) {
        self.budgets.log.keep();
        self.policies.log.keep();
        self.reservations.log.keep();
        self.replays.log.keep();
        self.beside.keep();
        self.replays.expendable = 0;
    }

    /// Gives a store what changed since the last time; answers the number of the
    /// last changes that it was given.
    pub(super) fn give_to(&mut self, store: &dyn DurableStore) -> u64 {
        let changes = self.changes();
        if !changes.is_empty() {
            let tenant = Arc::from(self.record.tenant_id.as_str());
            let number = store.append(Changes { tenant, changes });
            self.reservations.kept_with(number);
            self.kept.number = number;
            self.kept.pending.push_back((number, self.replays.inserted()));
        }
        self.kept.number
    }

    /// What is durable may be forgotten before its time.
    pub(super) fn let_go_until(&mut self, durable: u64) {
        while let Some(&(number, replays)) = self.kept.pending.front()
            && number <= durable
        {
            self.replays.expendable = replays;
            self.kept.pending.pop_front();
        }
        self.replays.shrink();
    }

    /// Whether the store may know what memory has forgotten.
    pub(super) fn has_history(&self) -> bool {
        self.kept.has_history || self.replays.has_forgotten()
    }

    fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.budget_changes(&mut changes);
        let policies = self.policies.log.take().into_iter();
        changes.extend(policies.map(|(policy, percent)| Change::Policy(Box::new(policy), percent)));
        for touched in self.reservations.log.take() {
            changes.extend(self.reservation_change(touched));
        }
        for key in self.replays.log.take() {
            let replay = self.replays.get(&key).cloned();
            changes.extend(replay.map(|replay: Replay| Change::Replay(key, replay)));
        }
        changes.extend(self.beside.take());
        changes
    }

    fn budget_changes(&mut self, changes: &mut Vec<Change>) {
        let mut touched = self.budgets.log.take();
        touched.sort_unstable_by_key(|id| id.get());
        touched.dedup();
        for id in touched {
            let row = self.budgets.row(id);
            if self.budgets.is_kept(id) {
                changes.push(Change::Amounts(id, row.budget, row.periods().map(Box::new)));
            } else {
                changes.push(Change::Budget(id, Box::new(row.clone())));
                self.budgets.kept = id.get() as usize;
            }
        }
    }

    fn reservation_change(&self, touched: Touched) -> Option<Change> {
        Some(match touched {
            Touched::New(id) => Change::Reserved(id, Box::new(self.reservations.get(id)?.clone())),
            Touched::Changed(id) => {
                let record = self.reservations.get(id)?;
                Change::Reservation(id, record.reservation, record.settlement.clone())
            }
        })
    }

    /// Begins with what a store holds of the tenant, but for its reservations.
    ///
    /// # Errors
    /// When the store contradicts itself.
    pub(crate) fn restore(&mut self, contents: TenantContents) -> Result<(), Error> {
        let damaged = |what: String| unavailable(format!("the store contradicts itself: {what}"));
        for row in contents.budgets {
            let (scope, unit) = (Arc::clone(&row.scope), row.unit);
            self.budgets
                .insert(row)
                .ok_or_else(|| damaged(format!("budget repeats scope={scope} unit={unit}")))?;
        }
        for (record, at_utilization) in contents.policies {
            let pattern = ScopePattern::parse(&record.scope_pattern)?;
            let row = policy_row_of(record, pattern, at_utilization)?;
            self.policies.insert(row)?;
        }
        self.budgets.log.take();
        self.policies.log.take();
        self.budgets.kept = self.budgets.rows().len();
        self.kept.has_history = contents.has_history;
        Ok(())
    }

    /// Begins with an open reservation that a store holds.
    ///
    /// # Errors
    /// When it holds on a budget that is not there.
    pub(crate) fn restore_open(&mut self, id: Uuid, record: Record) -> Result<(), Error> {
        let last = record.slots.positions().iter().flatten().copied().map(BudgetId::get).max();
        let budgets = self.budgets.rows().len();
        if last.is_some_and(|last| last as usize > budgets) {
            return Err(unavailable(format!(
                "the store contradicts itself: a reservation holds on a budget that is not there reservation_id={} budget={}",
                crate::ids::reservation(id),
                last.unwrap_or_default()
            )));
        }
        self.reservations.restore(id, record);
        Ok(())
    }
}
