//! The budgets as they fill: redrawn on a terminal, else a line now and then.

use cycles_protocol::control::BudgetLedger;

use crate::money;

use super::agent::Seen;

/// What is shown while the agents work.
#[derive(Debug)]
pub(super) struct Board {
    is_terminal: bool,
    /// Lines that the next look writes over.
    drawn: usize,
    /// Tenths of the tenant's budget that a line told of.
    told: i64,
}

/// Characters of a full bar.
const WIDTH: i64 = 20;

impl Board {
    pub(super) const fn new(is_terminal: bool) -> Self {
        Self { is_terminal, drawn: 0, told: -1 }
    }

    /// What to write after a call; often nothing where it is not redrawn.
    pub(super) fn after(&mut self, seen: &Seen, budgets: &[BudgetLedger]) -> String {
        if self.is_terminal { self.redraw(budgets) } else { self.tell(seen, budgets) }
    }

    fn redraw(&mut self, budgets: &[BudgetLedger]) -> String {
        // Up over what was drawn; each line is cleared to its end.
        let up = if self.drawn > 0 { format!("\u{1b}[{}A", self.drawn) } else { String::new() };
        self.drawn = budgets.len();
        let lines = budgets.iter().map(|budget| format!("{}\u{1b}[K\n", line(budget)));
        up + &lines.collect::<String>()
    }

    fn tell(&mut self, seen: &Seen, budgets: &[BudgetLedger]) -> String {
        let denied = if seen.is_denied {
            format!("{}: denied, and stops\n", seen.agent)
        } else {
            String::new()
        };
        let Some(tenant) = budgets.first() else { return denied };
        let tenths = part(tenant, 10);
        if tenths == self.told {
            return denied;
        }
        self.told = tenths;
        let lines = budgets.iter().map(|budget| line(budget) + "\n");
        lines.chain([denied, "\n".to_owned()]).collect()
    }
}

/// How many of `parts` are spent, rounded down.
fn part(budget: &BudgetLedger, parts: i64) -> i64 {
    let spent = i128::from(budget.spent.amount) * i128::from(parts);
    let part = spent.checked_div(i128::from(budget.allocated.amount)).unwrap_or(0);
    i64::try_from(part).unwrap_or(parts).clamp(0, parts)
}

fn line(budget: &BudgetLedger) -> String {
    let full = usize::try_from(part(budget, WIDTH)).unwrap_or_default();
    let bar = "█".repeat(full) + &"░".repeat(usize::try_from(WIDTH).unwrap_or_default() - full);
    let amount = |amount| money::shown(amount, budget.unit);
    format!(
        "{:<29}{bar}  {} of {} spent, {} held",
        budget.scope,
        amount(budget.spent.amount),
        amount(budget.allocated.amount),
        amount(budget.reserved.amount),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLED: Seen = Seen { agent: "writer", is_denied: false };
    const DENIED: Seen = Seen { agent: "writer", is_denied: true };

    fn budget(spent: i64) -> Vec<BudgetLedger> {
        let amount = |amount: i64| serde_json::json!({"unit": "TOKENS", "amount": amount});
        let budget = serde_json::json!({
            "ledger_id": "l", "tenant_id": "a", "scope": "tenant:a", "scope_path": "tenant:a",
            "unit": "TOKENS", "status": "ACTIVE", "created_at": "", "is_over_limit": false,
            "allocated": amount(100), "remaining": amount(100 - spent), "reserved": amount(0),
            "spent": amount(spent), "debt": amount(0), "overdraft_limit": amount(0),
        });
        vec![serde_json::from_value(budget).unwrap()]
    }

    #[test]
    fn a_terminal_is_redrawn_in_place() {
        let mut board = Board::new(true);
        let first = board.after(&CALLED, &budget(50));
        let line = "tenant:a                     ██████████░░░░░░░░░░  50 TOKENS of 100 TOKENS spent, 0 TOKENS held\u{1b}[K\n";
        assert_eq!(first, line);
        assert_eq!(board.after(&CALLED, &budget(50)), format!("\u{1b}[1A{line}"));
    }

    #[test]
    fn elsewhere_each_tenth_is_told_once_and_each_denial() {
        let mut board = Board::new(false);
        assert!(board.after(&CALLED, &budget(11)).starts_with("tenant:a "));
        assert_eq!(board.after(&CALLED, &budget(19)), "");
        assert!(board.after(&CALLED, &budget(20)).contains("20 TOKENS"));
        assert_eq!(board.after(&DENIED, &budget(20)), "writer: denied, and stops\n");
    }

    #[test]
    fn no_amount_breaks_a_bar() {
        for spent in [0, 100, 250, i64::MAX - 100] {
            assert!(part(&budget(spent)[0], WIDTH) <= WIDTH, "{spent}");
        }
    }
}
