//! Guarded calls inside guarded calls: who pays for the inner one.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cycles_protocol::{Amount, Error, ErrorCode, ReservationCreateRequest};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::guard::Held;

/// Who pays for a guarded call that runs inside another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Nested {
    /// It has a reservation of its own, beside that of the outer call.
    #[default]
    Own,
    /// The outer call's hold: nothing more is reserved, an estimate that does
    /// not fit into what is left of the hold is refused, and what the call cost
    /// is committed with the outer one.
    Inherit,
    /// Nobody: it is refused before anything is sent.
    Forbid,
}

impl Nested {
    /// Reads `own`, `inherit` or `forbid`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "own" => Some(Self::Own),
            "inherit" => Some(Self::Inherit),
            "forbid" => Some(Self::Forbid),
            _ => None,
        }
    }
}

/// What a hold covers besides the call that took it: calls that inherit it.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Another process's copy covers nothing: its calls are never committed.
    owner: u32,
    covered: Mutex<Covered>,
}

#[derive(Debug, Default)]
struct Covered {
    held: i64,
    /// What the outer call itself has used so far, where it says.
    own: i64,
    /// Estimates of inner calls under way.
    reserved: i64,
    /// What inner calls have cost, to be committed with the outer one.
    spent: i64,
    is_closed: bool,
}

impl Pool {
    pub(crate) fn new(held: i64) -> Arc<Self> {
        let covered = Mutex::new(Covered { held, ..Covered::default() });
        Arc::new(Self { owner: cycles_protocol::process::id(), covered })
    }

    /// The outer call has taken a further hold.
    pub(crate) fn grow(&self, by: i64) {
        let mut covered = self.covered.lock();
        covered.held = covered.held.saturating_add(by);
    }

    /// The outer call itself has used this much so far.
    pub(crate) fn set_own(&self, used: i64) {
        self.covered.lock().own = used;
    }

    pub(crate) fn held(&self) -> i64 {
        self.covered.lock().held
    }

    /// What inner calls have cost and may yet cost.
    pub(crate) fn promised(&self) -> i64 {
        let covered = self.covered.lock();
        covered.spent.saturating_add(covered.reserved)
    }

    /// The outer call settles: what inner calls have cost, told once. From here
    /// on the pool pays for nothing.
    pub(crate) fn close(&self) -> i64 {
        let mut covered = self.covered.lock();
        covered.is_closed = true;
        std::mem::take(&mut covered.spent)
    }

    fn is_here(&self) -> bool {
        self.owner == cycles_protocol::process::id()
    }

    /// Sets `amount` aside, or says how much there is.
    fn draw(self: &Arc<Self>, amount: i64) -> Result<Draw, i64> {
        let mut covered = self.covered.lock();
        let inner = covered.spent.saturating_add(covered.reserved);
        let used = inner.saturating_add(covered.own);
        let left = if covered.is_closed { 0 } else { covered.held.saturating_sub(used).max(0) };
        if amount > left {
            return Err(left);
        }
        covered.reserved += amount;
        Ok(Draw { from: Arc::clone(self), amount })
    }
}

/// A part of a hold, set aside for an inner call; dropped, it goes back.
#[derive(Debug)]
pub(crate) struct Draw {
    from: Arc<Pool>,
    amount: i64,
}

impl Draw {
    /// Charges what the inner call cost; answers whether the outer call has yet
    /// to settle, so that it commits it.
    pub(crate) fn charge(self, actual: i64) -> bool {
        let mut covered = self.from.covered.lock();
        if covered.is_closed {
            return false;
        }
        covered.spent = covered.spent.saturating_add(actual);
        true
    }
}

impl Drop for Draw {
    fn drop(&mut self) {
        self.from.covered.lock().reserved -= self.amount;
    }
}

/// The call inside which another one is made.
#[derive(Debug, Clone)]
pub struct Parent {
    pub(crate) held: Held,
    pub(crate) pool: Arc<Pool>,
}

tokio::task_local! {
    static PARENT: Parent;
}

impl Parent {
    /// Runs `work`; guarded calls that it awaits are inside this one. Tasks that
    /// it spawns are not.
    pub(crate) fn around<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        // Not an `async fn`: that would hold the future twice.
        PARENT.scope(self, work)
    }

    /// As [`around`](Self::around), for work that blocks this thread.
    #[cfg(feature = "blocking")]
    pub(crate) fn around_blocking<T>(self, work: impl FnOnce() -> T) -> T {
        PARENT.sync_scope(self, work)
    }

    /// A part of the hold for `request`.
    fn draw(&self, request: &ReservationCreateRequest) -> Result<Draw, Error> {
        let (id, Amount { unit, amount }) = (&self.held.id, request.estimate);
        let held = self.held.request.estimate.unit;
        if unit != held {
            return Err(Error::new(
                ErrorCode::UnitMismatch,
                format!(
                    "a nested call that inherits must estimate in the unit of its parent unit={unit} parent_unit={held} parent={id}"
                ),
            ));
        }
        self.pool.draw(amount).map_err(|left| {
            Error::new(
                ErrorCode::BudgetExceeded,
                format!(
                    "the parent's reservation does not cover the nested call; reserve more there or nest with `own` estimate={amount} left={left} parent={id}"
                ),
            )
        })
    }
}

/// Inside which call a call is made, and who pays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nesting {
    pub(crate) parent: Option<Parent>,
    /// The client's setting unless the call says otherwise.
    pub(crate) nested: Option<Nested>,
}

/// Where a call's budget comes from.
pub(crate) enum Source {
    /// A reservation of its own.
    Own { parent: Option<Parent> },
    /// The parent's.
    Inherited { parent: Parent, draw: Draw },
}

impl Nesting {
    /// Inside the call that awaits this one, if one does.
    pub(crate) fn here(nested: Option<Nested>) -> Self {
        Self { parent: PARENT.try_with(Clone::clone).ok(), nested }
    }

    /// Decides where the budget for `request` comes from.
    pub(crate) fn source(
        self,
        default: Nested,
        warned: &AtomicBool,
        request: &ReservationCreateRequest,
    ) -> Result<Source, Error> {
        let Some(parent) = self.parent else { return Ok(Source::Own { parent: None }) };
        match self.nested.unwrap_or(default) {
            Nested::Forbid => Err(Error::invalid(format!(
                "guarded call inside another, which nested=forbid refuses parent={}",
                parent.held.id
            ))),
            // A dry run holds nothing, and a forked process has nobody to commit.
            Nested::Inherit if !request.is_dry_run() && parent.pool.is_here() => {
                let draw = parent.draw(request)?;
                Ok(Source::Inherited { parent, draw })
            }
            Nested::Own if self.nested.is_none() && !warned.swap(true, Ordering::Relaxed) => {
                tracing::warn!(
                    parent = %parent.held.id,
                    "guarded call inside another: both hold budget; set nested to own, inherit or forbid"
                );
                Ok(Source::Own { parent: Some(parent) })
            }
            _ => Ok(Source::Own { parent: Some(parent) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_never_promises_more_than_it_holds() {
        let pool = Pool::new(100);
        let first = pool.draw(60).unwrap();
        assert_eq!(pool.draw(41).unwrap_err(), 40);
        let second = pool.draw(40).unwrap();
        drop(second);
        assert!(first.charge(70), "what happened is booked, above the estimate too");
        assert_eq!(pool.draw(31).unwrap_err(), 30);
        pool.grow(1);
        let last = pool.draw(31).unwrap();
        assert_eq!((pool.held(), pool.promised()), (101, 101));
        assert_eq!((pool.close(), pool.close()), (70, 0), "told once");
        assert!(!last.charge(31), "the outer call has settled");
        assert_eq!(pool.draw(1).unwrap_err(), 0);
    }
}
