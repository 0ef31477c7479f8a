//! What a tenant's record says about its reservations.

use cycles_protocol::control::TenantStatus;
use cycles_protocol::{CommitOveragePolicy, limits};

use crate::Refusal;

/// A tenant's status and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantSettings {
    /// Where it stands.
    pub status: TenantStatus,
    /// Overage policy where nothing nearer sets one.
    pub overage_policy: Option<CommitOveragePolicy>,
    /// Lease where the request sets none.
    pub ttl_ms_default: i64,
    /// Longest lease; longer requests are cut to it.
    pub ttl_ms_max: i64,
    /// Most extensions of one reservation.
    pub extensions_max: i64,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            status: TenantStatus::Active,
            overage_policy: None,
            ttl_ms_default: limits::TTL_MS_DEFAULT,
            ttl_ms_max: limits::TTL_MS_TENANT_MAX_DEFAULT,
            extensions_max: limits::EXTENSIONS_MAX_DEFAULT,
        }
    }
}

impl TenantSettings {
    /// Whether new work may start (decision: "SUSPENDED tenant").
    ///
    /// # Errors
    /// [`Refusal::TenantClosed`], [`Refusal::TenantSuspended`].
    pub const fn admits_new_work(&self) -> Result<(), Refusal> {
        match self.status {
            TenantStatus::Suspended => Err(Refusal::TenantSuspended),
            _ => self.settles(),
        }
    }

    /// Whether what is in flight may settle.
    ///
    /// # Errors
    /// [`Refusal::TenantClosed`].
    pub const fn settles(&self) -> Result<(), Refusal> {
        match self.status {
            TenantStatus::Active | TenantStatus::Suspended => Ok(()),
            TenantStatus::Closed => Err(Refusal::TenantClosed),
            // spec: a status that cannot be determined fails closed with 500.
            _ => Err(Refusal::Inconsistent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspended_settles_and_closed_does_not() {
        let tenant = |status| TenantSettings { status, ..TenantSettings::default() };
        assert_eq!(tenant(TenantStatus::Active).admits_new_work(), Ok(()));
        let suspended = tenant(TenantStatus::Suspended);
        assert_eq!(suspended.admits_new_work(), Err(Refusal::TenantSuspended));
        assert_eq!(suspended.settles(), Ok(()));
        assert_eq!(tenant(TenantStatus::Closed).settles(), Err(Refusal::TenantClosed));
        assert_eq!(tenant(TenantStatus::Closed).admits_new_work(), Err(Refusal::TenantClosed));
        assert_eq!(tenant(TenantStatus::Unknown).settles(), Err(Refusal::Inconsistent));
    }
}
