//! `cycles explain`.

use clap::Args;
use cycles_protocol::{Balance, Decision, ReservationDetail};
use cycles_server::Decided;
use serde::{Deserialize, Serialize};

use crate::failure::{EXIT_CODES, Failure};
use crate::money;
use crate::output::{Table, printable};
use crate::remote::{As, Remote};
use crate::settings::Connection;

use super::pages;
use super::reservation::time;

/// Say why something was allowed or denied: which scope, what remained there,
/// and who holds the rest.
///
/// Without an id, the newest denials are listed. A server remembers its newest
/// 10,000 decisions, until it ends.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Explain {
    /// A reservation (res_…), a request or a trace, as answers and errors name them.
    id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Deserialize)]
struct Found {
    decisions: Vec<Decided>,
}

/// A decision and who holds now what it asked for.
#[derive(Debug, Serialize)]
struct Explanation {
    decision: Decided,
    /// Open reservations on the scope that refused, the largest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<ReservationDetail>,
}

/// Open reservations that are looked at for the largest holds.
const HOLDS_READ: usize = 1_000;
/// Holds that are shown.
const HOLDS_SHOWN: usize = 10;

impl Explain {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (remote, format) = (Remote::new(&self.connection)?, self.connection.format());
        let parameter = match &self.id {
            Some(id) if id.starts_with("res_") => ("reservation_id", id.clone()),
            Some(id) => ("request_id", id.clone()),
            None => ("denied", "true".to_owned()),
        };
        let path = "/v1/x-cycles/decisions";
        let found: Found = remote.get(As::Either, path, &[parameter]).await?;
        let Some(id) = self.id else {
            return format.write(&found.decisions, |denials| list(denials));
        };
        // The newest first: the request that a replay repeats comes last.
        let decision = found.decisions.into_iter().last().ok_or_else(|| {
            Failure::Usage(format!(
                "no decision is remembered under this id; it is older than the newest 10,000, from before the server's start, or was no reserve, decide or event id={}",
                printable(&id)
            ))
        })?;
        let holds = holds(&remote, &decision).await;
        format.write(&Explanation { decision, holds }, text)
    }
}

/// Who holds now on the scope that refused; nobody where the key may not list.
async fn holds(remote: &Remote, decision: &Decided) -> Vec<ReservationDetail> {
    let Some(scope) = refusing(decision).filter(|_| decision.decision == Decision::Deny) else {
        return Vec::new();
    };
    let query = [
        ("tenant", Some(decision.tenant_id.clone())),
        ("status", Some("ACTIVE".to_owned())),
        ("sort_by", Some("reserved".to_owned())),
    ];
    let path = "/v1/reservations";
    let rows: Result<Vec<ReservationDetail>, _> =
        pages::some(remote, path, &query, "reservations", As::Either, HOLDS_READ).await;
    let on_it = |row: &ReservationDetail| {
        row.reserved.unit == decision.amount.unit && row.affected_scopes.contains(&scope)
    };
    rows.unwrap_or_default().into_iter().filter(on_it).take(HOLDS_SHOWN).collect()
}

/// The scope that refused.
fn refusing(decision: &Decided) -> Option<String> {
    let named = decision.details.as_ref().and_then(|details| details.get("scope"));
    let short = |balance: &&Balance| balance.remaining.amount < decision.amount.amount;
    named
        .and_then(|scope| scope.as_str())
        .map(str::to_owned)
        .or_else(|| decision.balances.iter().find(short).map(|balance| balance.scope.clone()))
}

fn list(denials: &[Decided]) -> String {
    let mut table = Table::new(&["WHEN", "REQUEST", "REASON", "SCOPE", "ACTION", ">AMOUNT"]);
    for denial in denials {
        table.row([
            time(denial.at_ms),
            denial.request_id.clone(),
            denial.reason_code.clone().unwrap_or_default(),
            refusing(denial).unwrap_or_default(),
            format!("{} {}", denial.action.kind, denial.action.name),
            money::shown(denial.amount.amount, denial.amount.unit),
        ]);
    }
    table.render()
}

fn text(explanation: &Explanation) -> String {
    let Explanation { decision, holds } = explanation;
    let amount = money::shown(decision.amount.amount, decision.amount.unit);
    let reason = decision.reason_code.as_deref().unwrap_or_default();
    let what = format!(
        "{} {reason}\n\n{} of {amount} for {} {} at {}, request {}",
        decision.decision.as_str(),
        decision.operation,
        printable(&decision.action.kind),
        printable(&decision.action.name),
        time(decision.at_ms),
        decision.request_id,
    );
    let message = decision.message.as_deref().map(|message| printable(message) + "\n");
    let held = refusing(decision)
        .filter(|_| !holds.is_empty())
        .map(|scope| format!("\nHeld now on {scope}:\n\n{}", holding(holds)));
    [
        what,
        "\n".to_owned(),
        message.unwrap_or_default(),
        "\n".to_owned(),
        scopes(decision),
        held.unwrap_or_default(),
        format!("\n{}\n", advice(decision)),
    ]
    .concat()
}

/// The budgets that were asked; what they lacked, or what is left.
fn scopes(decision: &Decided) -> String {
    if decision.balances.is_empty() {
        return "No scope of the request has a budget in its unit.\n".to_owned();
    }
    let headings = &["SCOPE", ">ALLOCATED", ">SPENT", ">RESERVED", ">DEBT", ">REMAINING", ""];
    let mut table = Table::new(headings);
    let refusing = refusing(decision).filter(|_| decision.decision == Decision::Deny);
    for balance in &decision.balances {
        let unit = balance.remaining.unit;
        let amount = |amount: Option<cycles_protocol::Amount>| {
            amount.map_or_else(|| "-".to_owned(), |amount| money::shown(amount.amount, unit))
        };
        let short = decision.amount.amount.saturating_sub(balance.remaining.amount);
        let note = match &refusing {
            Some(scope) if *scope == balance.scope && short > 0 => {
                format!("refuses: short of {}", money::shown(short, unit))
            }
            Some(scope) if *scope == balance.scope => "refuses".to_owned(),
            _ => String::new(),
        };
        table.row([
            balance.scope.clone(),
            amount(balance.allocated),
            amount(balance.spent),
            amount(balance.reserved),
            amount(balance.debt),
            money::shown(balance.remaining.amount, unit),
            note,
        ]);
    }
    table.render()
}

fn holding(holds: &[ReservationDetail]) -> String {
    let mut table = Table::new(&["RESERVATION", "SCOPE", "ACTION", ">RESERVED", "EXPIRES"]);
    for hold in holds {
        table.row([
            hold.reservation_id.to_string(),
            hold.scope_path.clone(),
            format!("{} {}", hold.action.kind, hold.action.name),
            money::shown(hold.reserved.amount, hold.reserved.unit),
            time(hold.expires_at_ms),
        ]);
    }
    table.render()
}

fn advice(decision: &Decided) -> String {
    if decision.decision != Decision::Deny {
        return match &decision.reservation_id {
            Some(id) => format!(
                "It was allowed, as reservation {id}; every scope covered it. The amounts are those after its hold."
            ),
            None => "It was allowed; every scope covered it.".to_owned(),
        };
    }
    let scope = refusing(decision).unwrap_or_else(|| format!("tenant:{}", decision.tenant_id));
    let unit = decision.amount.unit;
    let wait = decision.details.as_ref().and_then(|details| details.get("retry_after_ms"));
    let wait = wait.and_then(serde_json::Value::as_i64).map_or_else(String::new, |ms| {
        format!(", or ask again in {} s, when enough comes back by itself", (ms + 999) / 1_000)
    });
    match decision.reason_code.as_deref().unwrap_or_default() {
        "BUDGET_EXCEEDED" => {
            format!(
                "What to do: cycles budget fund {scope} AMOUNT, release what is stuck (cycles reservation release ID){wait}."
            )
        }
        "BUDGET_FROZEN" => {
            format!(
                "What to do: an operator froze it; cycles budget unfreeze {scope} --unit {unit}."
            )
        }
        "OVERDRAFT_LIMIT_EXCEEDED" | "DEBT_OUTSTANDING" => {
            format!("What to do: cycles budget fund {scope} AMOUNT --operation repay-debt.")
        }
        "NOT_FOUND" | "BUDGET_NOT_FOUND" | "UNIT_MISMATCH" => {
            format!("What to do: cycles budget create {scope} AMOUNT, in {unit}.")
        }
        _ => format!(
            "What to do: look at its budgets: cycles budget list --tenant {}.",
            decision.tenant_id
        ),
    }
}
