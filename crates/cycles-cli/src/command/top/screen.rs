//! What `cycles top` shows, as text.

use std::time::Duration;

use cycles_protocol::control::BudgetLedger;
use cycles_server::Decided;
use serde::Serialize;

use crate::command::budget::used;
use crate::command::reservation::time;
use crate::money;
use crate::output::Table;

/// Denials that are shown.
const DENIALS: usize = 5;

/// Totals over all tenants, from the server's metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) open: u64,
    pub(super) reserved: u64,
    pub(super) denied: u64,
    pub(super) committed: u64,
}

impl Counts {
    /// Adds up the samples of a page in Prometheus' text format.
    pub(super) fn read(page: &str) -> Self {
        let mut counts = Self::default();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((sample, value)) = line.rsplit_once(' ') else { continue };
            let value = value.parse().unwrap_or(0);
            let name = sample.split('{').next().unwrap_or_default();
            let is_denied = sample.contains("decision=\"DENY\"");
            match name {
                "cycles_reservations_open" => counts.open += value,
                "cycles_reservations_reserve_total" if is_denied => counts.denied += value,
                "cycles_reservations_reserve_total" => counts.reserved += value,
                "cycles_reservations_commit_total" if !is_denied => counts.committed += value,
                _ => {}
            }
        }
        counts
    }
}

/// One look.
#[derive(Debug, Serialize)]
pub(super) struct Screen {
    open_reservations: u64,
    /// Per second since the last look; totals at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_second: Option<Counts>,
    totals: Counts,
    budgets: Vec<BudgetLedger>,
    budget_count: usize,
    denials: Vec<Decided>,
}

impl Screen {
    pub(super) fn new(
        mut budgets: Vec<BudgetLedger>,
        mut denials: Vec<Decided>,
        counts: &Counts,
        since: Option<(Duration, &Counts)>,
        rows: usize,
    ) -> Self {
        let budget_count = budgets.len();
        // The fullest first; a budget of nothing is full.
        budgets.sort_by_cached_key(|budget| {
            let allocated = i128::from(budget.allocated.amount);
            let used = allocated - i128::from(budget.remaining.amount);
            std::cmp::Reverse((used * 10_000).checked_div(allocated).unwrap_or(10_000))
        });
        budgets.truncate(rows);
        denials.truncate(DENIALS);
        let per_second = since.map(|(passed, before)| rates(counts, before, passed));
        let open_reservations = counts.open;
        Self { open_reservations, per_second, totals: *counts, budgets, budget_count, denials }
    }

    pub(super) fn render(&self) -> String {
        let (counts, per) = match &self.per_second {
            Some(rates) => (rates, "/s"),
            None => (&self.totals, " in all"),
        };
        let head = format!(
            "{} open reservations   reserved {}{per}   committed {}{per}   denied {}{per}\n\n",
            self.open_reservations, counts.reserved, counts.committed, counts.denied
        );
        let hidden = self.budget_count - self.budgets.len();
        let more = if hidden > 0 { format!("and {hidden} more\n") } else { String::new() };
        let denials = if self.denials.is_empty() {
            String::new()
        } else {
            format!("\nNewest denials (cycles explain REQUEST):\n\n{}", self.denied())
        };
        [head, self.funds(), more, denials].concat()
    }

    fn funds(&self) -> String {
        let headings =
            &["SCOPE", ">USED", ">REMAINING", ">RESERVED", ">SPENT", ">ALLOCATED", "STATUS"];
        let mut table = Table::new(headings);
        for budget in &self.budgets {
            let amount = |amount| money::shown(amount, budget.unit);
            table.row([
                budget.scope.clone(),
                used(budget),
                amount(budget.remaining.amount),
                amount(budget.reserved.amount),
                amount(budget.spent.amount),
                amount(budget.allocated.amount),
                budget.status.to_string(),
            ]);
        }
        table.render()
    }

    fn denied(&self) -> String {
        let mut table = Table::new(&["WHEN", "REQUEST", "REASON", "TENANT", ">AMOUNT"]);
        for denial in &self.denials {
            table.row([
                time(denial.at_ms),
                denial.request_id.clone(),
                denial.reason_code.clone().unwrap_or_default(),
                denial.tenant_id.clone(),
                money::shown(denial.amount.amount, denial.amount.unit),
            ]);
        }
        table.render()
    }
}

/// A server that started anew counts from nothing.
fn rates(now: &Counts, before: &Counts, passed: Duration) -> Counts {
    let ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(1_000) / ms;
    Counts {
        open: now.open,
        reserved: rate(now.reserved, before.reserved),
        denied: rate(now.denied, before.denied),
        committed: rate(now.committed, before.committed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"
# TYPE cycles_reservations_reserve counter
cycles_reservations_reserve_total{tenant="a",decision="ALLOW",reason="OK",overage_policy="DEFAULT"} 40
cycles_reservations_reserve_total{tenant="b",decision="ALLOW",reason="OK",overage_policy="DEFAULT"} 2
cycles_reservations_reserve_total{tenant="a",decision="DENY",reason="BUDGET_EXCEEDED",overage_policy="DEFAULT"} 7
cycles_reservations_commit_total{tenant="a",decision="COMMITTED",reason="OK"} 30
cycles_reservations_open{tenant="a"} 3
# EOF
"#;

    fn budget(scope: &str, allocated: i64, remaining: i64) -> BudgetLedger {
        serde_json::from_value(serde_json::json!({
            "ledger_id": "l", "tenant_id": "a", "scope": scope, "scope_path": scope,
            "unit": "TOKENS", "status": "ACTIVE", "created_at": "", "is_over_limit": false,
            "allocated": {"unit": "TOKENS", "amount": allocated},
            "remaining": {"unit": "TOKENS", "amount": remaining},
            "reserved": {"unit": "TOKENS", "amount": 0},
            "spent": {"unit": "TOKENS", "amount": allocated - remaining},
            "debt": {"unit": "TOKENS", "amount": 0},
            "overdraft_limit": {"unit": "TOKENS", "amount": 0},
        }))
        .unwrap()
    }

    #[test]
    fn samples_are_added_up() {
        let expected = Counts { open: 3, reserved: 42, denied: 7, committed: 30 };
        assert_eq!(Counts::read(PAGE), expected);
        assert_eq!(Counts::read("nonsense\n"), Counts::default());
    }

    #[test]
    fn the_fullest_budgets_stand_first_and_rates_are_per_second() {
        let budgets =
            vec![budget("tenant:a", 100, 90), budget("tenant:b", 100, 5), budget("tenant:c", 0, 0)];
        let counts = Counts { reserved: 30, open: 4, ..Counts::default() };
        let before = Counts { reserved: 10, denied: 9, ..Counts::default() };
        let since = Some((Duration::from_secs(2), &before));
        let text = Screen::new(budgets, Vec::new(), &counts, since, 2).render();
        let expected = "\
4 open reservations   reserved 10/s   committed 0/s   denied 0/s

SCOPE     USED  REMAINING  RESERVED      SPENT   ALLOCATED  STATUS
tenant:c     -   0 TOKENS  0 TOKENS   0 TOKENS    0 TOKENS  ACTIVE
tenant:b   95%   5 TOKENS  0 TOKENS  95 TOKENS  100 TOKENS  ACTIVE
and 1 more
";
        assert_eq!(text, expected);
    }
}
