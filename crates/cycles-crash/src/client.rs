//! One process of clients: each works on its own, and remembers what it was told.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::SECRET;
use crate::truth::{Fate, Told};

/// Clients of one process.
const CLIENTS: u64 = 4;
/// Answers that a client remembers, to ask for them again.
const REMEMBERED: usize = 64;
/// A day: no lease runs out during a run.
const TTL_MS: i64 = 86_400_000;

/// Works until the input ends, then says what it was told.
pub(crate) fn run(server: SocketAddr, number: u64) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let mut client = Client::new(server, number * CLIENTS + client);
                while !stop.load(Ordering::Relaxed) {
                    client.step()?;
                }
                Ok(client.end())
            })
        })
        .collect();
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    stop.store(true, Ordering::Relaxed);
    let mut told = Told::default();
    for thread in threads {
        let of_client: Result<Told> = thread.join().map_err(|_| anyhow!("a client panicked"))?;
        told.add(of_client?);
    }
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

struct Client {
    connection: Connection,
    dice: fastrand::Rng,
    name: u64,
    requests: u64,
    open: Vec<(String, i64)>,
    remembered: Vec<(String, Value, Value)>,
    seen_broken: u64,
    told: Told,
}

impl Client {
    fn new(server: SocketAddr, name: u64) -> Self {
        Self {
            connection: Connection::new(server, SECRET),
            dice: fastrand::Rng::with_seed(name),
            name,
            requests: 0,
            open: Vec::new(),
            remembered: Vec::new(),
            seen_broken: 0,
            told: Told::default(),
        }
    }

    fn end(mut self) -> Told {
        self.told.open = self.open.iter().map(|(_, amount)| amount).sum();
        self.told.broken = self.connection.broken;
        self.told
    }

    /// One request that is new, and after a break also some that are not.
    fn step(&mut self) -> Result<()> {
        match self.dice.u8(0..10) {
            0..4 => self.reserve()?,
            4..7 => self.commit()?,
            7 => self.release()?,
            8 => self.extend()?,
            _ => self.event()?,
        }
        if self.connection.broken > self.seen_broken {
            self.seen_broken = self.connection.broken;
            for _ in 0..8 {
                self.repeat();
            }
        }
        Ok(())
    }

    fn ask(&mut self, path: String, mut body: Value) -> Result<Value> {
        self.requests += 1;
        body["idempotency_key"] = format!("{}-{}", self.name, self.requests).into();
        let (status, answer) = self.connection.post(&path, &body);
        anyhow::ensure!(status < 300, "{path} {body} was refused: {answer}");
        self.told.answered += 1;
        if self.remembered.len() == REMEMBERED {
            self.remembered.swap_remove(self.dice.usize(0..REMEMBERED));
        }
        self.remembered.push((path, body, answer.clone()));
        Ok(answer)
    }

    /// Asks again for an answer from before: it must be the same.
    fn repeat(&mut self) {
        let Some(index) = self.dice.usize(..).checked_rem(self.remembered.len()) else { return };
        let (path, body, first) = self.remembered[index].clone();
        let (_, again) = self.connection.post(&path, &body);
        let lasting = |mut answer: Value| {
            // New each time (spec: IDEMPOTENCY).
            answer.as_object_mut().map(|fields| fields.remove("remaining_ttl_ms"));
            answer
        };
        self.told.replayed += 1;
        if lasting(first.clone()) != lasting(again.clone()) {
            self.told.problems.push(format!("{path} {body}: first {first}, then {again}"));
        }
    }

    fn reserve(&mut self) -> Result<()> {
        let amount = self.dice.i64(1..1_000);
        let answer = self.ask(
            "/v1/reservations".to_owned(),
            json!({
                "subject": {"tenant": "acme", "agent": "bot"},
                "action": {"kind": "llm.completion", "name": "gpt-4o-mini"},
                "estimate": {"unit": "TOKENS", "amount": amount},
                "ttl_ms": TTL_MS,
                "metadata": {"client": self.name},
            }),
        )?;
        let id = answer["reservation_id"].as_str().context("no id")?.to_owned();
        let fate = Fate {
            status: "ACTIVE".to_owned(),
            charged: 0,
            expires_at: answer["expires_at_ms"].as_i64().context("no expiry")?,
        };
        if self.told.reservations.insert(id.clone(), fate).is_some() {
            self.told.problems.push(format!("two requests made {id}"));
        }
        self.open.push((id, amount));
        Ok(())
    }

    /// One of its open reservations.
    fn any(&mut self) -> Option<usize> {
        self.dice.usize(..).checked_rem(self.open.len())
    }

    fn commit(&mut self) -> Result<()> {
        let Some(index) = self.any() else { return Ok(()) };
        let (id, held) = self.open.swap_remove(index);
        let actual = self.dice.i64(0..=held);
        let body = json!({"actual": {"unit": "TOKENS", "amount": actual}});
        let answer = self.ask(format!("/v1/reservations/{id}/commit"), body)?;
        let charged = answer["charged"]["amount"].as_i64().context("nothing charged")?;
        self.told.charged += charged;
        self.ended(&id, "COMMITTED", charged)
    }

    fn release(&mut self) -> Result<()> {
        let Some(index) = self.any() else { return Ok(()) };
        let (id, _) = self.open.swap_remove(index);
        self.ask(format!("/v1/reservations/{id}/release"), json!({"reason": "not needed"}))?;
        self.ended(&id, "RELEASED", 0)
    }

    fn ended(&mut self, id: &str, status: &str, charged: i64) -> Result<()> {
        let fate = self.told.reservations.get_mut(id).context("an unknown reservation")?;
        status.clone_into(&mut fate.status);
        fate.charged = charged;
        Ok(())
    }

    fn extend(&mut self) -> Result<()> {
        let Some(index) = self.any() else { return Ok(()) };
        let id = self.open[index].0.clone();
        let answer =
            self.ask(format!("/v1/reservations/{id}/extend"), json!({"extend_by_ms": 1_000}))?;
        let expires_at = answer["expires_at_ms"].as_i64().context("no expiry")?;
        let fate = self.told.reservations.get_mut(&id).context("an unknown reservation")?;
        if expires_at != fate.expires_at + 1_000 {
            self.told.problems.push(format!("{id} was extended twice or not at all: {answer}"));
        }
        fate.expires_at = expires_at;
        Ok(())
    }

    fn event(&mut self) -> Result<()> {
        let amount = self.dice.i64(1..100);
        let answer = self.ask(
            "/v1/events".to_owned(),
            json!({
                "subject": {"tenant": "acme", "agent": "bot"},
                "action": {"kind": "tool.call", "name": "search"},
                "actual": {"unit": "TOKENS", "amount": amount},
            }),
        )?;
        self.told.charged += amount;
        self.told.events.push(answer["event_id"].as_str().context("no event id")?.to_owned());
        Ok(())
    }
}
