//! `cycles reservation`.

use clap::{Args, Subcommand};
use cycles_protocol::{ReleaseRequest, ReleaseResponse, ReservationDetail};
use jiff::Timestamp;

use crate::failure::{EXIT_CODES, Failure};
use crate::money;
use crate::output::Table;
use crate::remote::{As, Remote, segment};
use crate::settings::Connection;

use super::pages;

/// Reservations: what agents hold, and what became of it.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Reservation {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List reservations, the newest first.
    List(Filter),
    /// Show one reservation.
    Show {
        /// Like res_….
        id: String,
    },
    /// Give a reservation's hold back, as if its work had not run.
    Release {
        /// Like res_….
        id: String,
        /// Why; for the audit log.
        #[arg(long, default_value = "released with the cycles program")]
        reason: String,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Whose; needed with the admin key.
    #[arg(long, env = "CYCLES_TENANT")]
    tenant: Option<String>,
    /// Where they stand: ACTIVE, COMMITTED, RELEASED or EXPIRED.
    #[arg(long)]
    status: Option<String>,
    /// Of this workspace.
    #[arg(long)]
    workspace: Option<String>,
    /// Of this app.
    #[arg(long)]
    app: Option<String>,
    /// Of this workflow.
    #[arg(long)]
    workflow: Option<String>,
    /// Of this agent.
    #[arg(long)]
    agent: Option<String>,
    /// Of this toolset.
    #[arg(long)]
    toolset: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

const PATH: &str = "/v1/reservations";

impl Reservation {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (remote, format) = (Remote::new(&self.connection)?, self.connection.format());
        match self.action {
            Action::List(filter) => {
                if filter.tenant.is_none() && remote.has_admin_key() {
                    return Err(Failure::Usage(
                        "the admin key sees every tenant; say whose reservations with --tenant"
                            .to_owned(),
                    ));
                }
                let most = filter.limit as usize;
                let query = filter.query();
                let rows =
                    pages::some(&remote, PATH, &query, "reservations", As::Either, most).await?;
                format.write(&rows, |rows| table(rows))
            }
            Action::Show { id } => {
                let path = format!("{PATH}/{}", segment(&id));
                format.write(&remote.get(As::Either, &path, &[]).await?, detail)
            }
            Action::Release { id, reason } => {
                let path = format!("{PATH}/{}/release", segment(&id));
                let body = ReleaseRequest::new(Some(reason));
                let answer: ReleaseResponse = remote.post(As::Either, &path, &[], &body).await?;
                format.write(&answer, |answer| {
                    let (amount, unit) = (answer.released.amount, answer.released.unit);
                    format!("{id} {} {}\n", answer.status, money::shown(amount, unit))
                })
            }
        }
    }
}

impl Filter {
    fn query(self) -> [(&'static str, Option<String>); 7] {
        [
            ("tenant", self.tenant),
            ("status", self.status.map(|status| status.to_ascii_uppercase())),
            ("workspace", self.workspace),
            ("app", self.app),
            ("workflow", self.workflow),
            ("agent", self.agent),
            ("toolset", self.toolset),
        ]
    }
}

/// Milliseconds since the epoch for people; beyond the calendar, the number.
pub(crate) fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

fn table(rows: &[ReservationDetail]) -> String {
    let headings =
        &["RESERVATION", "STATUS", "SCOPE", "ACTION", ">RESERVED", ">CHARGED", "EXPIRES"];
    let mut table = Table::new(headings);
    for row in rows {
        let charged = row.committed.map(|amount| money::shown(amount.amount, amount.unit));
        table.row([
            row.reservation_id.to_string(),
            row.status.to_string(),
            row.scope_path.clone(),
            format!("{} {}", row.action.kind, row.action.name),
            money::shown(row.reserved.amount, row.reserved.unit),
            charged.unwrap_or_else(|| "-".to_owned()),
            time(row.expires_at_ms),
        ]);
    }
    table.render()
}

fn detail(row: &ReservationDetail) -> String {
    let mut table = Table::new(&["FIELD", "VALUE"]);
    let mut line = |name: &str, value: String| table.row([name.to_owned(), value]);
    line("reservation", row.reservation_id.to_string());
    line("status", row.status.to_string());
    line("action", format!("{} {}", row.action.kind, row.action.name));
    line("scopes", row.affected_scopes.join(", "));
    line("reserved", money::shown(row.reserved.amount, row.reserved.unit));
    if let Some(charged) = row.committed {
        line("charged", money::shown(charged.amount, charged.unit));
    }
    line("created", time(row.created_at_ms));
    line("expires", time(row.expires_at_ms));
    if let Some(finalized) = row.finalized_at_ms {
        line("finalized", time(finalized));
    }
    if let Some(key) = &row.idempotency_key {
        line("idempotency key", key.to_string());
    }
    table.render()
}
