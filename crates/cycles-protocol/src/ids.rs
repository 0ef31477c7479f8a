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
        Self::new(uuid_text(bytes, &mut [0; 36]).to_owned())
    }
}

/// A UUID (version 4) of random `bytes`, as text.
pub(crate) fn uuid_text(bytes: [u8; 16], text: &mut [u8; 36]) -> &str {
    uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().encode_lower(text)
}

impl Default for IdempotencyKey {
    fn default() -> Self {
        Self::random()
    }
}
