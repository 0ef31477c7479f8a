//! Moving a lease's end outward.

use crate::{Refusal, Reservation, TenantSettings};

/// The record after; no budget changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// After.
    pub reservation: Reservation,
}

/// Moves the expiry by `by_ms`, relative to the expiry and not to now.
///
/// # Errors
/// In this order (semantics 2.3): tenant closed, expired or finalized, lease
/// over (grace does not count), too many extensions; [`Refusal::Overflow`].
pub fn extend(
    tenant: &TenantSettings,
    reservation: &Reservation,
    by_ms: i64,
    now: i64,
) -> Result<Extended, Refusal> {
    tenant.settles()?;
    reservation.active()?;
    if now > reservation.expires_at {
        return Err(Refusal::Expired { expired_at: reservation.expires_at });
    }
    if reservation.extensions >= reservation.extensions_max {
        return Err(Refusal::TooManyExtensions { max: reservation.extensions_max });
    }
    let expires_at = reservation.expires_at.checked_add(by_ms).ok_or(Refusal::Overflow)?;
    expires_at.checked_add(reservation.grace_ms).ok_or(Refusal::Overflow)?;
    let extensions = reservation.extensions + 1;
    Ok(Extended { reservation: Reservation { expires_at, extensions, ..*reservation } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScopeSet;
    use crate::fixtures;

    #[test]
    fn relative_to_the_expiry_up_to_the_last_moment() {
        let tenant = TenantSettings::default();
        let reservation = fixtures::reservation(1, ScopeSet::default());
        let end = reservation.expires_at;
        let extended = extend(&tenant, &reservation, 1_000, end).unwrap().reservation;
        assert_eq!((extended.expires_at, extended.extensions), (end + 1_000, 1));
        assert!(matches!(
            extend(&tenant, &reservation, 1_000, end + 1),
            Err(Refusal::Expired { .. })
        ));
        assert_eq!(extend(&tenant, &reservation, i64::MAX, end), Err(Refusal::Overflow));
    }

    #[test]
    fn the_eleventh_is_refused() {
        let tenant = TenantSettings::default();
        let mut reservation = fixtures::reservation(1, ScopeSet::default());
        for _ in 0..10 {
            reservation =
                extend(&tenant, &reservation, 1, reservation.created_at).unwrap().reservation;
        }
        assert_eq!(
            extend(&tenant, &reservation, 1, reservation.created_at),
            Err(Refusal::TooManyExtensions { max: 10 })
        );
    }
}
