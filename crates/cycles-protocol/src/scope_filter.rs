//! Where a key may act: entries like `workspace:eng`, `agent:*`.

use crate::scope::Level;
use crate::{Error, ErrorCode, Subject, limits};

/// A key's filter; an empty one admits everything in the tenant.
///
/// For every level that an entry names, the subject must have a value there,
/// and one of that level's entries must match it: exactly, by a prefix before a
/// trailing `*`, or anything for `*` alone. Case does not matter, as in scopes.
#[derive(Debug, Clone, Copy)]
pub struct ScopeFilter<'a>(&'a [String]);

impl<'a> ScopeFilter<'a> {
    /// The filter that a key carries.
    #[must_use]
    pub const fn new(entries: &'a [String]) -> Self {
        Self(entries)
    }

    /// Checks that every entry could match something.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the entry that no subject could match.
    pub fn check(self) -> Result<(), Error> {
        match self.0.iter().find(|entry| !is_valid(entry)) {
            None => Ok(()),
            Some(entry) => Err(Error::new(
                ErrorCode::InvalidRequest,
                format!(
                    "not a scope filter; write level:value, level:prefix* or level:* with a level of tenant, workspace, app, workflow, agent, toolset scope_filter={entry:?}"
                ),
            )),
        }
    }

    /// Whether the key may act for `subject`, in its own tenant where it names none.
    #[must_use]
    pub fn admits_subject(self, subject: &Subject, tenant: &str) -> bool {
        self.admits_levels(|level| subject.get(level), tenant)
    }

    /// As [`admits_subject`](Self::admits_subject), from the values at each level.
    #[must_use]
    pub fn admits_levels<'b>(
        self,
        value_at: impl Fn(Level) -> Option<&'b str>,
        tenant: &'b str,
    ) -> bool {
        self.admits(|level| match level {
            Level::Tenant => Some(tenant),
            level => value_at(level),
        })
    }

    /// Whether the key may act on `scope`.
    #[must_use]
    pub fn admits_scope(self, scope: &str) -> bool {
        self.admits(|level| value_at(scope, level))
    }

    fn admits<'b>(self, value_at: impl Fn(Level) -> Option<&'b str>) -> bool {
        Level::ALL.into_iter().all(|level| {
            let mut entries = self.0.iter().filter_map(|entry| pattern_at(entry, level)).peekable();
            entries.peek().is_none()
                || value_at(level).is_some_and(|value| entries.any(|entry| matches(entry, value)))
        })
    }
}

/// The value that a scope path has at a level.
#[must_use]
pub fn value_at(scope: &str, level: Level) -> Option<&str> {
    scope.split('/').find_map(|segment| pattern_at(segment, level))
}

fn pattern_at(entry: &str, level: Level) -> Option<&str> {
    entry.strip_prefix(level.as_str())?.strip_prefix(':')
}

fn matches(pattern: &str, value: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => pattern.eq_ignore_ascii_case(value),
        Some(prefix) => {
            value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        }
    }
}

fn is_valid(entry: &str) -> bool {
    Level::ALL.into_iter().filter_map(|level| pattern_at(entry, level)).any(|pattern| {
        pattern == "*" || limits::is_subject_value(pattern.strip_suffix('*').unwrap_or(pattern))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn every_named_level_must_be_there_and_match() {
        let entries = entries(&["workspace:eng", "workspace:ops", "agent:bot-*"]);
        let filter = ScopeFilter::new(&entries);
        let admits = |workspace: Option<&str>, agent: Option<&str>| {
            let subject = Subject {
                workspace: workspace.map(Into::into),
                agent: agent.map(Into::into),
                ..Subject::default()
            };
            filter.admits_subject(&subject, "acme")
        };
        assert!(admits(Some("eng"), Some("bot-1")));
        assert!(admits(Some("OPS"), Some("Bot-")));
        assert!(!admits(Some("eng"), None));
        assert!(!admits(None, Some("bot-1")));
        assert!(!admits(Some("english"), Some("bot-1")));
        assert!(!admits(Some("eng"), Some("bo")));
    }

    #[test]
    fn scopes_above_the_filter_are_hidden() {
        let entries = entries(&["workspace:*"]);
        let filter = ScopeFilter::new(&entries);
        assert!(!filter.admits_scope("tenant:acme"));
        assert!(filter.admits_scope("tenant:acme/workspace:eng/agent:b"));
    }

    #[test]
    fn entries_that_nothing_could_match_are_refused() {
        for bad in ["", "*", "team:x", "workspace", "workspace:", "workspace:a*b", "agent:a/b"] {
            assert!(ScopeFilter::new(&entries(&[bad])).check().is_err(), "{bad:?}");
        }
        for good in ["tenant:acme", "workspace:*", "agent:bot-*", "app:A.b_c-1"] {
            assert!(ScopeFilter::new(&entries(&[good])).check().is_ok(), "{good:?}");
        }
    }
}
