//! What a tenant's key may do on the governance plane; the runtime plane's
//! checks are the authority's.

use cycles_protocol::{Error, ErrorCode, Permission, Principal};

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

/// Checks that the key's `scope_filter` reaches `scope`.
///
/// # Errors
/// `FORBIDDEN`.
pub(super) fn scope(principal: &Principal, scope: &str) -> Result<(), Error> {
    match principal {
        Principal::Tenant { scope_filter, .. }
            if !scope_filter.is_empty()
                && !scope_filter.iter().any(|filter| reaches(filter, scope)) =>
        {
            Err(Error::new(
                ErrorCode::Forbidden,
                format!("the key's scope_filter does not reach this scope scope={scope}"),
            ))
        }
        _ => Ok(()),
    }
}

/// `workspace:eng` and `agent:*` match one segment anywhere in the path; a
/// filter of several segments matches where the path starts with it.
fn reaches(filter: &str, scope: &str) -> bool {
    let filter = filter.to_ascii_lowercase();
    if filter.contains('/') {
        let rest = scope.strip_prefix(filter.as_str());
        return rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    }
    scope.split('/').any(|segment| match filter.strip_suffix('*') {
        Some(prefix) => segment.starts_with(prefix),
        None => segment == filter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_whole_segments() {
        let scope = "tenant:acme/workspace:eng/agent:bot";
        for yes in ["*", "workspace:eng", "agent:*", "Agent:Bot", "tenant:acme/workspace:eng"] {
            assert!(reaches(yes, scope), "{yes}");
        }
        for no in [
            "",
            "workspace:en",
            "eng",
            "app:*",
            "tenant:acme/workspace:en",
            "workspace:eng/agent:bot",
        ] {
            assert!(!reaches(no, scope), "{no}");
        }
    }
}
