//! The README's guarded call.
#![expect(clippy::print_stdout, reason = "a program talks on stdout")]

use runcycles::models::Amount;
use runcycles::{CyclesClient, Error, WithCyclesConfig, with_cycles};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = CyclesClient::embedded("budgets: {tenant:acme: 1000 TOKENS}")?;
    println!("{}", ask(&client, "What is a budget?").await?);
    match ask(&client, "And another one?").await {
        Err(error) if error.is_budget_exceeded() => println!("denied before the model was called"),
        other => println!("{}", other?),
    }
    Ok(())
}

async fn ask(client: &CyclesClient, prompt: &str) -> Result<String, Error> {
    let call = WithCyclesConfig::new(Amount::tokens(600)).action("llm.completion", "gpt-4o");
    with_cycles(client, call, |_context| async {
        Ok((format!("an answer to {prompt}"), Amount::tokens(420))) // your model call, and its cost
    })
    .await
}
