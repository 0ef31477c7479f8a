//! Clients that draw from one budget until it refuses them (`../README.md`).
#![allow(clippy::print_stdout, reason = "a program talks on stdout")]

use std::error::Error;

use runcycles::CyclesClient;
use runcycles::models::{
    Action, Amount, CommitRequest, ReleaseRequest, ReservationCreateRequest, Subject,
};

#[derive(Default)]
struct Told {
    charged: i64,
    open: i64,
    refused: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let clients: i64 = std::env::var("CLIENTS")?.parse()?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let mut running = Vec::new();
    for number in 0..clients {
        let client = CyclesClient::from_env()?;
        running.push(tokio::spawn(async move { draw(&client, number).await }));
    }
    let mut all = Told::default();
    for client in running {
        let told = client.await??;
        all.charged += told.charged;
        all.open += told.open;
        all.refused += told.refused;
    }
    let Told { charged, open, refused } = all;
    println!(r#"{{"language":"rust","charged":{charged},"open":{open},"refused":{refused}}}"#);
    Ok(())
}

async fn draw(client: &CyclesClient, number: i64) -> Result<Told, runcycles::Error> {
    let mut told = Told::default();
    for call in 0.. {
        let amount = 1 + (number * 7 + call * 13) % 97;
        let request = ReservationCreateRequest::builder()
            .subject(Subject { tenant: Some("acme".to_owned()), ..Subject::default() })
            .action(Action::new("test", "oversubscription"))
            .estimate(Amount::tokens(amount))
            .build();
        let answer = match client.create_reservation(&request).await {
            Err(error) if error.is_budget_exceeded() => {
                told.refused += 1;
                break;
            }
            answer => answer?,
        };
        let Some(id) = answer.reservation_id else { continue };
        match call % 5 {
            0 => told.open += amount,
            1 => _ = client.release_reservation(&id, &ReleaseRequest::builder().build()).await?,
            _ => {
                let actual = Amount::tokens(amount - amount % 3);
                let request = CommitRequest::builder().actual(actual).build();
                told.charged += client.commit_reservation(&id, &request).await?.charged.amount;
            }
        }
    }
    Ok(told)
}
