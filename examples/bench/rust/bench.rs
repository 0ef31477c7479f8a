//! What a guarded call costs in Rust. See `cargo xtask bench`.
#![allow(clippy::print_stdout, reason = "a program talks on stdout")]
#![allow(clippy::disallowed_methods, reason = "measures real time")]

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use cycles_testkit::{TestServer, Transport};
use runcycles::models::{Amount, Subject};
use runcycles::{CyclesClient, WithCyclesConfig, with_cycles};

const SEED: &str = "budgets: {tenant:acme: 1_000_000_000 TOKENS}";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (runs, calls) = (setting("BENCH_RUNS", 5)?, setting("BENCH_CALLS", 1000)?);
    let embedded = measure(&CyclesClient::embedded(SEED)?, runs, calls).await?;
    let server = TestServer::start(SEED).await?;
    let http = measure(&server.client(None, Transport::Http)?, runs, calls).await?;
    server.shutdown().await?;
    println!(r#"{{"language":"rust","embedded":{embedded},"http":{http}}}"#);
    Ok(())
}

/// p50 and p99 of each run, as JSON; the first run only warms up.
async fn measure(
    client: &CyclesClient,
    runs: usize,
    calls: usize,
) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("[");
    for run in 0..=runs {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let start = Instant::now();
            guarded(client).await?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        if run > 0 {
            let comma = if run > 1 { "," } else { "" };
            let (p50, p99) = (micros(times[calls / 2]), micros(times[calls * 99 / 100]));
            write!(text, r#"{comma}{{"p50_us":{p50:.1},"p99_us":{p99:.1}}}"#)?;
        }
    }
    text.push(']');
    Ok(text)
}

async fn guarded(client: &CyclesClient) -> Result<(), runcycles::Error> {
    let subject = Subject { tenant: Some("acme".to_owned()), ..Subject::default() };
    let call = WithCyclesConfig::new(Amount::tokens(10)).subject(subject);
    with_cycles(client, call, |_context| async { Ok(((), Amount::tokens(10))) }).await
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn setting(name: &str, default: usize) -> Result<usize, Box<dyn Error>> {
    Ok(std::env::var(name).map_or(Ok(default), |value| value.parse())?)
}
