//! Ids: one type each, so that they cannot be swapped.

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
    #[expect(clippy::disallowed_methods, reason = "this is the method that the lint recommends")]
    pub fn random() -> Self {
        Self::new(uuid::Uuid::new_v4().to_string())
    }
}

impl Default for IdempotencyKey {
    fn default() -> Self {
        Self::random()
    }
}
