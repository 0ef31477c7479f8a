//! What a tenant's key may do on the governance plane; the runtime plane's
//! checks are the authority's.

use cycles_protocol::{Error, ErrorCode, Permission, Principal, ScopeFilter};

/// Checks that the key carries `needed`; the operator's carries everything.
///
/// # Errors
/// `INSUFFICIENT_PERMISSIONS`.
pub(super) fn permission(principal: &Principal, needed: Permission) -> Result<(), Error> {
    match principal {
        Principal::Tenant { permissions, .. } if !permissions.contains(&needed) => Err(Error::new(
            ErrorCode::InsufficientPermissions,
            format!("the key lacks a permission permission={needed}"),
        )),
        _ => Ok(()),
    }
}

/// Checks that the key's `scope_filter` covers `scope`.
///
/// # Errors
/// `FORBIDDEN`.
pub(super) fn scope(principal: &Principal, scope: &str) -> Result<(), Error> {
    match principal {
        Principal::Tenant { scope_filter, .. }
            if !ScopeFilter::new(scope_filter).admits_scope(scope) =>
        {
            Err(Error::new(
                ErrorCode::Forbidden,
                format!(
                    "the key's scope filter does not cover the scope scope_filter={} scope={scope}",
                    scope_filter.join(",")
                ),
            ))
        }
        _ => Ok(()),
    }
}
