//! A reservation, as far as decisions need it.

use cycles_protocol::{CommitOveragePolicy, ReservationStatus, Unit};

use crate::{Refusal, ScopeSet};

/// A hold on the budgets of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Where it stands.
    pub state: State,
    /// The unit of everything about it.
    pub unit: Unit,
    /// What it holds, or held, on every budgeted scope.
    pub estimate: i64,
    /// Which scopes it holds on.
    pub scopes: ScopeSet,
    /// Frozen when it was made.
    pub overage_policy: CommitOveragePolicy,
    /// When it was made.
    pub created_at: i64,
    /// When its lease ends.
    pub expires_at: i64,
    /// How long after the lease it still settles.
    pub grace_ms: i64,
    /// How often it was extended.
    pub extensions: i64,
    /// How often it may be; frozen when it was made.
    pub extensions_max: i64,
}

/// `ACTIVE` leads to one of the other three, and those are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Holding.
    Active,
    /// Settled with what was charged.
    Committed {
        /// What was charged.
        charged: i64,
        /// When.
        at: i64,
    },
    /// Given back on purpose.
    Released {
        /// When.
        at: i64,
    },
    /// Given back because lease and grace ran out.
    Expired {
        /// When the authority noticed.
        at: i64,
    },
}

impl State {
    /// The state as the wire names it.
    #[must_use]
    pub const fn status(self) -> ReservationStatus {
        match self {
            Self::Active => ReservationStatus::Active,
            Self::Committed { .. } => ReservationStatus::Committed,
            Self::Released { .. } => ReservationStatus::Released,
            Self::Expired { .. } => ReservationStatus::Expired,
        }
    }

    /// When it ended, however it did.
    #[must_use]
    pub const fn ended_at(self) -> Option<i64> {
        match self {
            Self::Active => None,
            Self::Committed { at, .. } | Self::Released { at } | Self::Expired { at } => Some(at),
        }
    }
}

impl Reservation {
    /// The last moment at which a commit settles.
    #[must_use]
    pub const fn settles_until(&self) -> i64 {
        // Checked when it was made and at every extension.
        self.expires_at.saturating_add(self.grace_ms)
    }

    /// What is left of the lease; nothing, once it ended.
    #[must_use]
    pub fn remaining_ttl_ms(&self, now: i64) -> i64 {
        match self.state {
            State::Active => self.expires_at.saturating_sub(now).max(0),
            _ => 0,
        }
    }

    /// Whether it may still change.
    ///
    /// # Errors
    /// [`Refusal::Expired`], [`Refusal::Finalized`].
    pub const fn active(&self) -> Result<(), Refusal> {
        match self.state {
            State::Active => Ok(()),
            State::Expired { .. } => Err(Refusal::Expired { expired_at: self.expires_at }),
            State::Committed { .. } | State::Released { .. } => {
                Err(Refusal::Finalized { status: self.state.status() })
            }
        }
    }

    /// Whether it still settles at `now`.
    pub(crate) const fn settles(&self, now: i64) -> Result<(), Refusal> {
        if now > self.settles_until() {
            return Err(Refusal::Expired { expired_at: self.expires_at });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn an_ended_reservation_has_no_lease_left() {
        let mut reservation = fixtures::reservation(10, ScopeSet::default());
        assert_eq!(reservation.remaining_ttl_ms(reservation.expires_at - 7), 7);
        assert_eq!(reservation.remaining_ttl_ms(reservation.expires_at + 1), 0);
        reservation.state = State::Released { at: 0 };
        assert_eq!(reservation.remaining_ttl_ms(reservation.expires_at - 7), 0);
    }
}
