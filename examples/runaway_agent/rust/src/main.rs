//! A runaway agent: it would call its model forever. Its budget stops it.
//!
//! ```sh
//! CYCLES_BASE_URL=http://127.0.0.1:7878 CYCLES_API_KEY=… CYCLES_TENANT=acme runaway-agent
//! ```
#![expect(clippy::print_stdout, reason = "a program talks on stdout")]

use std::time::Duration;

use runcycles::models::{Amount, Subject};
use runcycles::{CyclesClient, Error, GuardedError, WithCyclesConfig, with_cycles};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = CyclesClient::from_env()?;
    let cent = Amount::usd_microcents(1_000_000);
    let call = WithCyclesConfig::new(cent)
        .action("llm.completion", "pretend-model")
        .subject(Subject { agent: Some("rust".to_owned()), ..Subject::default() });

    let mut calls = 0;
    let denied = loop {
        match with_cycles(&client, call.clone(), |_context| think(calls + 1, cent)).await {
            Ok(thought) => {
                calls += 1;
                println!("rust call {calls}: {thought}, $0.01");
            }
            Err(error) if error.is_budget_exceeded() => break error,
            Err(error) => return Err(error),
        }
    };
    println!("rust denied after {calls} calls: {denied}");
    println!(
        r#"{{"language":"rust","calls":{calls},"denials":1,"spent_microcents":{}}}"#,
        calls * cent.amount
    );
    Ok(())
}

/// Stands for a call to a model: what it said, and what it cost.
async fn think(step: i64, cost: Amount) -> Result<(String, Amount), GuardedError> {
    pretend_work(Duration::from_millis(150)).await;
    Ok((format!("thought {step}"), cost))
}

#[expect(clippy::disallowed_methods, reason = "the work is not part of any test")]
async fn pretend_work(span: Duration) {
    tokio::time::sleep(span).await;
}
