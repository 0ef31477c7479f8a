//! Ids that the engine issues: a prefix and a random UUID.

use cycles_protocol::{Error, ErrorCode, Random, ReservationId};
use uuid::Uuid;

use crate::limits;

const RESERVATION: &str = "res_";

/// A random UUID (version 4).
pub(crate) fn random(random: &dyn Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// A UUID that is not taken, random but for its time (version 7): what was made
/// together stands together in a store's indexes.
pub(crate) fn fresh(
    source: &dyn Random,
    now: i64,
    taken: impl Fn(Uuid) -> bool,
) -> Result<Uuid, Error> {
    let timed = |_| {
        let mut bytes = [0; 10];
        source.fill(&mut bytes);
        uuid::Builder::from_unix_timestamp_millis(now.max(0).cast_unsigned(), &bytes).into_uuid()
    };
    (0..limits::ID_ATTEMPTS).map(timed).find(|id| !taken(*id)).ok_or_else(|| {
        Error::new(ErrorCode::InternalError, "randomness repeats itself; no fresh id was found")
    })
}

/// The id of a reservation on the wire.
pub(crate) fn reservation(id: Uuid) -> String {
    let mut text = String::with_capacity(RESERVATION.len() + 36);
    text.push_str(RESERVATION);
    text.push_str(id.hyphenated().encode_lower(&mut [0; 36]));
    text
}

/// Reads what [`reservation`] wrote, and nothing else.
pub(crate) fn parse_reservation(id: &ReservationId) -> Option<Uuid> {
    let text = id.as_str().strip_prefix(RESERVATION)?;
    let uuid: Uuid = text.parse().ok()?;
    // The UUID parser takes other spellings too; one reservation has one id.
    (uuid.hyphenated().encode_lower(&mut [0; 36]) == text).then_some(uuid)
}

/// The refusal of an id that names no reservation.
pub(crate) fn not_found(id: &ReservationId) -> Error {
    Error::new(ErrorCode::NotFound, format!("reservation not found reservation_id={id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_issued_spelling_is_read() {
        let id = Uuid::from_u128(0x1234_5678_9abc_4def_8000_0000_0000_00ab);
        let text = reservation(id);
        assert_eq!(parse_reservation(&text.as_str().into()), Some(id));
        for other in [&text[4..], &text.to_uppercase(), &text.replace('-', ""), "res_", ""] {
            assert_eq!(parse_reservation(&other.into()), None, "{other}");
        }
    }
}
