//! Answers that are given again: semantics 2.10.

use std::collections::HashMap;

use cycles_protocol::control::BudgetFundingRequest;
use cycles_protocol::{
    DecisionRequest, ErrorCode, EventCreateRequest, ExtendRequest, IdempotencyKey,
    ReservationCreateRequest,
};

use super::{Serial, no};
use crate::simulation::answer::Answer;

/// How long a dry run, a decision and a funding are remembered.
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long an event is.
pub(super) const EVENT_MS: i64 = 30 * DAY_MS;

/// Where a key counts: per endpoint, and per what the path names.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Create,
    Decide,
    Event,
    Extend(Serial),
    Fund(usize),
}

/// What was asked with the key; two requests are the same when all fields are.
#[derive(Debug, PartialEq)]
pub(super) enum Payload {
    Create(ReservationCreateRequest),
    Decide(DecisionRequest),
    Event(EventCreateRequest),
    Extend(ExtendRequest),
    Fund(BudgetFundingRequest),
}

#[derive(Debug)]
struct Stored {
    payload: Payload,
    answer: Answer,
    until: i64,
}

/// The answers of a tenant.
#[derive(Debug, Default)]
pub(super) struct Replays(HashMap<(Place, IdempotencyKey), Stored>);

impl Replays {
    /// The answer to give again, if there is one.
    pub(super) fn find(
        &self,
        place: Place,
        key: &IdempotencyKey,
        payload: &Payload,
        now: i64,
    ) -> Result<Option<Answer>, Answer> {
        match self.0.get(&(place, key.clone())) {
            Some(stored) if now > stored.until => Ok(None),
            Some(stored) if stored.payload != *payload => Err(no(ErrorCode::IdempotencyMismatch)),
            Some(stored) => Ok(Some(stored.answer.clone())),
            None => Ok(None),
        }
    }

    pub(super) fn keep(
        &mut self,
        place: Place,
        key: IdempotencyKey,
        payload: Payload,
        answer: &Answer,
        until: i64,
    ) {
        self.0.insert((place, key), Stored { payload, answer: answer.clone(), until });
    }

    pub(super) fn forget(&mut self, now: i64) {
        self.0.retain(|_, stored| now <= stored.until);
    }
}
