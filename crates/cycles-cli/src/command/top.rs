//! `cycles top`.

mod screen;

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use cycles_protocol::control::BudgetLedger;
use cycles_protocol::{Clock, SystemClock};
use cycles_server::Decided;
use serde::Deserialize;

use crate::failure::{EXIT_CODES, Failure};
use crate::output;
use crate::remote::{As, Remote};
use crate::settings::Connection;
use crate::signals::Signals;

use super::pages;
use screen::{Counts, Screen};

/// Watch budgets, open reservations, rates and denials; Ctrl-C ends it.
///
/// The fullest budgets stand first. Rates come from the server's metrics.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Top {
    /// Only this tenant's budgets.
    #[arg(long)]
    tenant: Option<String>,
    /// How often to look, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..))]
    interval_ms: u64,
    /// Budgets to show.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    rows: u16,
    /// Look once and end, as when the output is no terminal.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Deserialize)]
struct Found {
    decisions: Vec<Decided>,
}

/// Clears the terminal and goes to its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

impl Top {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let remote = Remote::new(&self.connection)?;
        let (clock, mut signals) = (SystemClock::new(), Signals::listen()?);
        let interval = Duration::from_millis(self.interval_ms);
        let mut before: Option<(Duration, Counts)> = None;
        loop {
            let now = clock.monotonic();
            let (screen, counts) = self.look(&remote, before.as_ref(), now).await?;
            if self.once || !std::io::stdout().is_terminal() {
                return self.connection.format().write(&screen, Screen::render);
            }
            output::write(&format!("{CLEAR}{}", screen.render()))?;
            before = Some((now, counts));
            tokio::select! {
                () = clock.sleep_until(now + interval) => {}
                _ = signals.next() => return Ok(()),
            }
        }
    }

    async fn look(
        &self,
        remote: &Remote,
        before: Option<&(Duration, Counts)>,
        now: Duration,
    ) -> Result<(Screen, Counts), Failure> {
        let query = [("tenant_id", self.tenant.clone())];
        let path = "/v1/admin/budgets";
        let budgets: Vec<BudgetLedger> =
            pages::all(remote, path, &query, "ledgers", As::Either).await?;
        let denied = [("denied", "true".to_owned())];
        let found: Found = remote.get(As::Either, "/v1/x-cycles/decisions", &denied).await?;
        let counts = Counts::read(&remote.text("/metrics").await?);
        let since = before.map(|(then, counts)| (now.saturating_sub(*then), counts));
        let screen = Screen::new(budgets, found.decisions, &counts, since, usize::from(self.rows));
        Ok((screen, counts))
    }
}
