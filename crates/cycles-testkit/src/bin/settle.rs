//! A process that spends, for tests that kill it.
//!
//! `settle BASE_URL API_KEY JOURNAL_DIR CALLS [CLOCK_MS]` makes guarded calls,
//! flushes, prints one line of JSON and waits until its input ends. With
//! `CLOCK_MS` its clock stands there. Where `CALLS` is `endless`, one call says
//! so and does not end. Calls go on unseen while the server cannot be asked.
#![expect(clippy::print_stdout, reason = "a program talks on stdout")]

use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use cycles_testkit::ManualClock;
use runcycles::models::Amount;
use runcycles::{CyclesClient, OnUnreachable, WithCyclesConfig, with_cycles};

/// What each call costs.
const COST: i64 = 5;
/// Longer than a test holds an answer back.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base_url, api_key, journal, calls, clock @ ..] = &arguments[..] else {
        return Err("usage: settle BASE_URL API_KEY JOURNAL_DIR CALLS [CLOCK_MS]".into());
    };
    let mut builder = CyclesClient::builder(api_key, base_url)
        .tenant("acme")
        .journal_dir(journal)
        .on_unreachable(OnUnreachable::Allow)
        .read_timeout(PATIENCE);
    if let [start_ms, ..] = clock {
        builder = builder.clock(Arc::new(ManualClock::starting_at(start_ms.parse()?)));
    }
    let client = builder.build();
    let call = || WithCyclesConfig::new(Amount::tokens(COST)).action("llm", "m");
    if calls == "endless" {
        return Ok(with_cycles(&client, call(), |context| async move {
            println!("{}", serde_json::json!({"running": context.reservation_id}));
            std::future::pending().await
        })
        .await?);
    }
    for _ in 0..calls.parse()? {
        with_cycles(&client, call(), |_| async { Ok(((), Amount::tokens(COST))) }).await?;
    }
    let left = client.flush_pending_commits_with_timeout(PATIENCE).await;
    let stats = client.journal_stats();
    println!("{}", serde_json::json!({"left": left, "journal": stats}));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
