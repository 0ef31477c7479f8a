//! One client: what it believes it holds, and what it does next.

use cycles_protocol::{Amount, ReservationId};

use super::Traffic;
use crate::simulation::answer::Answer;
use crate::simulation::command::Act;
use crate::simulation::dice::Dice;
use crate::simulation::oracle::Oracle;

/// Most that a client holds; beyond it, it settles.
const HELD_MAX: usize = 6;

/// A client of one key.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) key: usize,
    pub(super) tenant: usize,
    /// Whether its key may not do everything.
    pub(super) is_limited: bool,
    pub(super) held: Vec<Lease>,
}

/// What a client remembers of a reservation.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) id: ReservationId,
    pub(super) estimate: Amount,
    pub(super) expires_at: i64,
    pub(super) grace_ms: i64,
}

impl Client {
    pub(super) const fn new(key: usize, tenant: usize, is_limited: bool) -> Self {
        Self { key, tenant, is_limited, held: Vec::new() }
    }

    /// Forgets everything.
    pub(super) fn crash(&mut self) {
        self.held.clear();
    }

    /// Learns from an answer; answers what to ask next about it, if anything.
    pub(super) fn learn(&mut self, act: &Act, answer: &Answer, dice: &mut Dice) -> Option<Act> {
        match (act, answer) {
            (Act::Create(request), Answer::Create(answer)) => {
                let lease = Lease {
                    id: answer.reservation_id.clone()?,
                    estimate: request.estimate,
                    expires_at: answer.expires_at_ms?,
                    grace_ms: request.grace_period_ms.unwrap_or(5_000),
                };
                if !self.held.iter().any(|held| held.id == lease.id) {
                    self.held.push(lease);
                }
                None
            }
            (Act::Extend(id, _), Answer::Extend(answer)) => {
                let lease = self.held.iter_mut().find(|held| held.id == *id)?;
                lease.expires_at = lease.expires_at.max(answer.expires_at_ms);
                None
            }
            // Some do not believe it and settle once more.
            (Act::Commit(id, _), Answer::Commit(_)) | (Act::Release(id, _), Answer::Release(_))
                if dice.percent(85) =>
            {
                self.held.retain(|held| held.id != *id);
                None
            }
            (act, Answer::Refused { .. }) => {
                let id = act.reservation()?;
                if dice.percent(75) {
                    self.held.retain(|held| held.id != *id);
                }
                None
            }
            (Act::List(params), Answer::List(page)) => {
                let mut params = params.clone();
                params.cursor = Some(page.next_cursor.clone()?);
                match dice.below(20) {
                    // For other rows or another order; it does not count there.
                    0 => params.subject.agent = Some("bot-2".to_owned()),
                    1 => params.sort_dir = Some(dice.one_of(super::request::DIRECTIONS)),
                    2 => params.cursor = Some("bm9uc2Vuc2U".to_owned()),
                    // It counts for any page size and any projection.
                    3..8 => params.include = vec!["metadata".to_owned(), "?".to_owned()],
                    8..12 => params.limit = None,
                    _ => {}
                }
                Some(Act::List(params))
            }
            (Act::Balances(params), Answer::Balances(page)) => {
                let mut params = params.clone();
                params.cursor = Some(page.next_cursor.clone()?);
                match dice.below(20) {
                    0 => params.include_children = !params.include_children,
                    1 => params.cursor = Some("bm9uc2Vuc2U".to_owned()),
                    2..8 => params.limit = None,
                    _ => {}
                }
                Some(Act::Balances(params))
            }
            _ => None,
        }
    }
}

impl Traffic {
    /// What a client asks next.
    pub(super) fn client_act(&mut self, client: usize, oracle: &Oracle) -> Act {
        let is_full = self.clients[client].held.len() >= HELD_MAX;
        match self.dice.below(100) {
            0 => self.on_the_brink(client, oracle),
            1..30 if !is_full => self.reserve(client, None),
            34..38 => self.reserve(client, Some(true)),
            38..42 => self.ask_decision(client),
            42..45 => self.ask_balances(client),
            45..48 => self.ask_list(client),
            48..56 => self.debit(client),
            56..59 => {
                let id = self.any_reservation(client, oracle);
                self.act_on(&id, 3)
            }
            59..61 => {
                let id = self.unknown_reservation();
                let kind = self.dice.below(4);
                self.act_on(&id, kind)
            }
            61..64 => {
                let id = self.any_reservation(client, oracle);
                let kind = self.dice.below(4);
                self.act_on(&id, kind)
            }
            _ => self.settle(client),
        }
    }

    /// Does something to what the client holds; reserves where it holds nothing.
    fn settle(&mut self, client: usize) -> Act {
        let held = &self.clients[client].held;
        let newest = held.last().filter(|_| self.dice.percent(60));
        let Some(lease) = newest.or_else(|| self.dice.pick(held)).cloned() else {
            return self.reserve(client, None);
        };
        match self.dice.below(100) {
            0..55 => self.commit(&lease),
            55..75 => self.release(&lease.id),
            75..95 => self.extend(&lease.id),
            _ => Act::Get(lease.id),
        }
    }

    fn act_on(&mut self, id: &ReservationId, kind: usize) -> Act {
        let estimate = self.amount(crate::simulation::world::Rule::Any);
        match kind {
            0 => self.commit(&Lease { id: id.clone(), estimate, expires_at: 0, grace_ms: 0 }),
            1 => self.release(id),
            2 => self.extend(id),
            _ => Act::Get(id.clone()),
        }
    }

    /// One of the client's own, or any that the authority ever issued.
    fn any_reservation(&mut self, client: usize, oracle: &Oracle) -> ReservationId {
        let own = self.dice.pick(&self.clients[client].held);
        if let Some(lease) = own.cloned()
            && self.dice.percent(40)
        {
            return lease.id;
        }
        let (first, next) = oracle.serials();
        let (first, next) = (i64::try_from(first), i64::try_from(next));
        let serial = match (first, next) {
            (Ok(first), Ok(next)) if first < next => self.dice.between(first..=next - 1),
            _ => 0,
        };
        let found = oracle.some_reservation(serial.unsigned_abs()).cloned();
        found.unwrap_or_else(|| self.unknown_reservation())
    }

    fn unknown_reservation(&mut self) -> ReservationId {
        ReservationId::new(self.dice.one_of([
            "res_00000000-0000-4000-8000-000000000000",
            "res_nonsense",
            "nonsense",
            "../balances",
            "\u{1F4B8}",
        ]))
    }
}
