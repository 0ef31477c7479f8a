//! A model's answer arrives in pieces; its hold grows with it, and what it cost
//! is committed at the end.
#![expect(clippy::print_stdout, reason = "a program talks on stdout")]

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use runcycles::models::Amount;
use runcycles::{CyclesClient, OnLimit, StreamOptions, StreamReservation, WithCyclesConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = CyclesClient::embedded("budgets: {tenant:acme: $0.001}")?;

    let options = StreamOptions::new()
        .on_limit(OnLimit::Extend)
        .cost(|usage| usage.tokens_input * 250 + usage.tokens_output * 1_000);
    let call =
        WithCyclesConfig::new(Amount::usd_microcents(20_000)).action("llm.completion", "gpt-4o");
    let handle = client.reserve_stream(call, options).await?;
    handle.add_input_tokens(40);
    let mut pieces = Box::pin(handle.clone().watch(answer(handle.clone())));
    while let Some(piece) = pieces.try_next().await? {
        println!("{piece}, held {}", handle.held().amount);
    }

    println!("cut: {}, used {}", handle.is_cut(), handle.usage().tokens_output * 1_000 + 10_000);
    Ok(())
}

/// The provider's stream; every piece is counted before it is handed on.
fn answer(
    handle: StreamReservation,
) -> impl Stream<Item = Result<String, std::io::Error>> + Send + Unpin {
    let pieces = stream::iter(1..=3).map(|piece| Ok(format!("piece {piece}")));
    pieces.inspect(move |_| handle.add_output_tokens(8))
}
