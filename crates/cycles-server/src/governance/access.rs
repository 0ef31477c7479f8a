//! What a tenant's key may do on the governance plane; the runtime plane's
//! checks are the authority's.

use cycles_protocol::scope::Level;
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

/// Checks that the key's `scope_filter` covers `scope`.
///
/// # Errors
/// `FORBIDDEN`.
pub(super) fn scope(principal: &Principal, scope: &str) -> Result<(), Error> {
    match principal {
        Principal::Tenant { scope_filter, .. } if !covers(scope_filter, scope) => Err(Error::new(
            ErrorCode::Forbidden,
            format!(
                "the key's scope filter does not cover the scope scope_filter={} scope={scope}",
                scope_filter.join(",")
            ),
        )),
        _ => Ok(()),
    }
}

/// As the authority's own filter: at every level that the entries name, the
/// scope must have a value that one of that level's entries matches.
fn covers(entries: &[String], scope: &str) -> bool {
    let at =
        |level: Level| move |segment| str::strip_prefix(segment, level.as_str())?.strip_prefix(':');
    Level::ALL.into_iter().all(|level| {
        let mut patterns = entries.iter().map(String::as_str).filter_map(at(level)).peekable();
        let value = scope.split('/').find_map(at(level));
        patterns.peek().is_none()
            || value.is_some_and(|value| patterns.any(|pattern| matches(pattern, value)))
    })
}

fn matches(pattern: &str, value: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => pattern.eq_ignore_ascii_case(value),
        Some(prefix) => {
            value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_that_a_filter_names_must_match() {
        let scope = "tenant:acme/workspace:eng/agent:bot-1";
        let covered = |entries: &[&str]| {
            let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
            covers(&entries, scope)
        };
        for yes in [
            &[][..],
            &["workspace:ENG"],
            &["agent:*"],
            &["agent:x", "agent:bot-*"],
            &["workspace:eng", "agent:bot-1"],
        ] {
            assert!(covered(yes), "{yes:?}");
        }
        for no in [&["workspace:en"][..], &["app:*"], &["workspace:eng", "agent:x"]] {
            assert!(!covered(no), "{no:?}");
        }
    }
}
