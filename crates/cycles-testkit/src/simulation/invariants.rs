//! What holds whatever happened: the ledger's own invariants and those of
//! server-semantics 4.2, on the figures that the authority shows.

use cycles_protocol::{CommitOveragePolicy, Unit};

use super::answer::Figures;
use super::world::Rule;

/// Checks one budget of a tenant with that rule.
pub(super) fn check(figures: &Figures, rule: Rule) -> Result<(), String> {
    let Figures { allocated, spent, reserved, debt, remaining, overdraft_limit, .. } = *figures;
    let wide = i128::from;
    let broken = |what: &str| Err(format!("{what}: {}", super::command::json(figures)));
    if wide(remaining) != wide(allocated) - wide(spent) - wide(reserved) - wide(debt) {
        return broken("remaining is not allocated − spent − reserved − debt");
    }
    if figures.unit == Unit::Unknown {
        return broken("the unit is unknown");
    }
    if [allocated, spent, reserved, debt].iter().any(|amount| *amount < 0) {
        return broken("an amount is negative");
    }
    match rule {
        Rule::Only(CommitOveragePolicy::AllowWithOverdraft) => {
            if debt > overdraft_limit {
                return broken("debt is above the overdraft limit");
            }
            if wide(spent) + wide(debt) > wide(allocated) + wide(overdraft_limit) {
                return broken("more is charged than allocated and the overdraft limit");
            }
            Ok(())
        }
        Rule::Only(_) if debt != 0 => broken("debt without overdraft"),
        Rule::Only(_) if spent > allocated => broken("more is charged than allocated"),
        Rule::Only(_) if remaining < 0 => broken("remaining is negative"),
        Rule::Any | Rule::Only(_) => Ok(()),
    }
}
