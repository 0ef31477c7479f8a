//! Who asks what, and when: clients that crash, repeat themselves, are late or
//! wrong, operators, and a clock that jumps. Everything comes from the dice.

mod brink;
mod client;
mod clock;
mod network;
mod operator;
mod request;

use std::collections::VecDeque;

use super::answer::Answer;
use super::command::{Act, Caller, Command};
use super::dice::Dice;
use super::oracle::Oracle;
use super::world::{Rule, World};
use client::Client;
use network::Network;

/// Longest stretch of the past from which requests come back.
const PAST: usize = 512;

/// One step: time passes, then somebody asks.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) advance_ms: i64,
    pub(super) command: Command,
    /// Whose request it is, unless an operator's.
    client: Option<usize>,
}

/// A request that was delivered.
#[derive(Debug)]
struct Past {
    at: i64,
    client: Option<usize>,
    command: Command,
}

/// All who ask.
#[derive(Debug)]
pub(super) struct Traffic {
    dice: Dice,
    tenants: Vec<(&'static str, Rule)>,
    clients: Vec<Client>,
    network: Network,
    past: VecDeque<Past>,
    keys_used: u64,
}

impl Traffic {
    pub(super) fn new(dice: Dice, world: &World) -> Self {
        let mut clients = Vec::new();
        for (key, plan) in world.keys.iter().enumerate() {
            // Keys that may do everything have several clients, the others one.
            let is_limited = plan.name != "all";
            let count = if is_limited { 1 } else { 4 };
            clients.extend((0..count).map(|_| Client::new(key, plan.tenant, is_limited)));
        }
        Self {
            dice,
            tenants: world.tenants.iter().map(|tenant| (tenant.id, tenant.rule)).collect(),
            clients,
            network: Network::default(),
            past: VecDeque::new(),
            keys_used: 0,
        }
    }

    /// What happens next.
    pub(super) fn next(&mut self, step: u64, now: i64, oracle: &Oracle) -> Step {
        if let Some((client, command)) = self.network.due(step) {
            return Step { advance_ms: self.passing(now, oracle), command, client };
        }
        // What was asked long ago comes once more, just before or after the
        // moment at which its answer is forgotten.
        if self.dice.in_ten_thousand(4)
            && let Some(step) = self.echo(now)
        {
            return step;
        }
        loop {
            let (client, command) = self.anyone(oracle);
            if self.dice.percent(6) {
                // It is on its way, and others overtake it.
                let delay = self.dice.between(1..=200);
                self.network.send(step, delay, client, command);
                continue;
            }
            if self.dice.percent(4) {
                let delay = self.dice.between(1..=60);
                self.network.send(step, delay, client, command.clone());
            }
            return Step { advance_ms: self.passing(now, oracle), command, client };
        }
    }

    /// What became of it, as far as whoever asked learns.
    pub(super) fn observe(&mut self, step: u64, now: i64, asked: Step, answer: &Answer) {
        let Step { command, client, .. } = asked;
        if let Some(index) = client {
            if self.dice.percent(8) {
                // The answer is lost; most repeat the request.
                if command.act.is_idempotent() && self.dice.percent(80) {
                    let delay = self.dice.between(1..=30);
                    self.network.send(step, delay, client, command.clone());
                }
            } else {
                let follow_up = self.clients[index].learn(&command.act, answer, &mut self.dice);
                if let Some(act) = follow_up {
                    let delay = self.dice.between(1..=20);
                    let follow_up = Command { act, ..command.clone() };
                    self.network.send(step, delay, client, follow_up);
                }
            }
        }
        self.past.push_back(Past { at: now, client, command });
        if self.past.len() > PAST {
            self.past.pop_front();
        }
    }

    fn anyone(&mut self, oracle: &Oracle) -> (Option<usize>, Command) {
        if self.dice.percent(7) {
            let command = self.operate(oracle);
            return (None, command);
        }
        let index = self.someone();
        if self.dice.percent(2) {
            self.clients[index].crash();
        }
        if self.dice.percent(5)
            && let Some(past) = self.meddle()
        {
            return past;
        }
        let act = self.client_act(index, oracle);
        let caller = match self.dice.below(400) {
            0 => Caller::Stranger,
            1 => Caller::Admin,
            _ => Caller::Key(self.clients[index].key),
        };
        // What an operator may not do at all is refused by a server before its
        // form is read; typed, the engine does the same.
        let is_wire = self.is_wire(&act) && (caller != Caller::Admin || act.is_for_admins());
        (Some(index), Command { caller, is_wire, act })
    }

    /// A client; mostly one that may do everything, rarely one of the suspended
    /// or the closed tenant.
    fn someone(&mut self) -> usize {
        const IDLE_TENANTS: usize = 2;
        let active = self.tenants.len() - IDLE_TENANTS;
        loop {
            let index = self.dice.below(self.clients.len());
            let Client { tenant, is_limited, .. } = self.clients[index];
            let weight = if tenant >= active { 8 } else { 100 };
            if self.dice.percent(weight) && (!is_limited || self.dice.percent(8)) {
                return index;
            }
        }
    }

    /// A quarter goes as JSON.
    fn is_wire(&mut self, act: &Act) -> bool {
        !matches!(act, Act::Fund(..) | Act::Freeze(..) | Act::CreateBudget(_) | Act::Sweep)
            && self.dice.percent(25)
    }

    /// An old request once more: as it was, changed under the same key, or by
    /// somebody else.
    fn meddle(&mut self) -> Option<(Option<usize>, Command)> {
        let index = self.dice.below(self.past.len().max(1));
        let past = self.past.get(index)?;
        let (mut client, mut command) = (past.client, past.command.clone());
        match self.dice.below(3) {
            0 => {}
            1 => self.change(&mut command.act),
            _ => {
                let other = self.someone();
                if client.is_some() {
                    client = Some(other);
                    command.caller = Caller::Key(self.clients[other].key);
                }
            }
        }
        if let Some(client) = client {
            self.obey(client, &mut command.act);
        }
        Some((client, command))
    }

    fn fresh_key(&mut self) -> String {
        self.keys_used += 1;
        // Sometimes one that was used before, wherever that was.
        let number = if self.dice.percent(1) {
            let used = i64::try_from(self.keys_used).unwrap_or(i64::MAX);
            self.dice.between(1..=used).unsigned_abs()
        } else {
            self.keys_used
        };
        format!("key-{number}")
    }
}
