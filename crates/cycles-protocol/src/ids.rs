//! Ids: one type each, so that they cannot be swapped.

use crate::effects::{Random, SystemRandom};
use crate::wire::wire_id;

wire_id! {
    /// Names one reservation; issued by the authority.
    ReservationId
}
wire_id! {
    /// Names one direct debit; issued by the authority.
    EventId
}
wire_id! {
    /// Makes a request safe to repeat: the authority answers a repeated key
    /// with the first outcome (spec: IDEMPOTENCY). 1 to 256 characters.
    IdempotencyKey
}

impl IdempotencyKey {
    /// A fresh random key (UUID version 4).
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        SystemRandom.fill(&mut bytes);
        Self::new(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }
}

impl Default for IdempotencyKey {
    fn default() -> Self {
        Self::random()
    }
}
