//! A tenant's policies.

use cycles_ledger::{CapsRule, Terms};
use cycles_protocol::control::{Policy, PolicyStatus, ScopePattern, Specificity};
use cycles_protocol::{Error, ErrorCode};

use crate::durable::log::Log;
use crate::limits;

/// One policy, read once so that commands need not.
#[derive(Debug)]
pub(crate) struct PolicyRow {
    /// As the governance plane shows it.
    pub(crate) record: Policy,
    pub(crate) pattern: ScopePattern,
    pub(crate) terms: Terms,
    pub(crate) caps: Option<CapsRule>,
    /// The first moment at which it is in effect.
    pub(crate) from: Option<i64>,
    /// The first moment at which it no longer is.
    pub(crate) until: Option<i64>,
}

impl PolicyRow {
    /// The percentage of a budget from which its caps apply.
    fn at_utilization(&self) -> u8 {
        self.caps.as_ref().map_or(0, CapsRule::at_utilization)
    }

    fn rank(&self) -> (i64, Specificity) {
        (self.record.priority.unwrap_or(0), self.pattern.specificity())
    }

    fn is_in_effect(&self, now: i64) -> bool {
        self.record.status == PolicyStatus::Active
            && self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
    }
}

/// All policies of a tenant, the one that wins first.
#[derive(Debug, Default)]
pub(crate) struct PolicyTable {
    rows: Vec<PolicyRow>,
    /// What is new.
    pub(crate) log: Log<(Policy, u8)>,
}

impl PolicyTable {
    /// Adds a policy.
    ///
    /// # Errors
    /// `DUPLICATE_RESOURCE` when its name is taken; `INVALID_REQUEST` when the
    /// tenant has as many as it may.
    pub(crate) fn insert(&mut self, row: PolicyRow) -> Result<Policy, Error> {
        let name = row.record.name.as_deref().unwrap_or_default();
        if self.rows.iter().any(|known| known.record.name.as_deref() == Some(name)) {
            return Err(Error::new(
                ErrorCode::DuplicateResource,
                format!("the tenant has a policy of this name name={name:?}"),
            ));
        }
        if self.rows.len() >= limits::POLICIES_MAX {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("too many policies of this tenant max={}", limits::POLICIES_MAX),
            ));
        }
        let record = row.record.clone();
        // Before its equals: of those, the newest wins.
        let at = self.rows.partition_point(|known| known.rank() > row.rank());
        self.log.note(|| (record.clone(), row.at_utilization()));
        self.rows.insert(at, row);
        Ok(record)
    }

    /// The policy for a command on `scopes`, root first, if one names any of
    /// them: the highest priority, then the most specific pattern, then the newest.
    pub(crate) fn in_force(&self, scopes: &[String], now: i64) -> Option<&PolicyRow> {
        let path = scopes.last()?;
        self.rows.iter().find(|row| row.is_in_effect(now) && row.pattern.touches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cycles_protocol::control::PolicyCreateRequest;

    fn row(name: &str, scope_pattern: &str, priority: i64) -> PolicyRow {
        let request = PolicyCreateRequest {
            name: name.into(),
            scope_pattern: scope_pattern.into(),
            priority: Some(priority),
            ..PolicyCreateRequest::default()
        };
        PolicyRow {
            pattern: ScopePattern::parse(scope_pattern).unwrap(),
            record: Policy::from_request(
                request,
                String::new(),
                PolicyStatus::Active,
                String::new(),
            ),
            terms: Terms::default(),
            caps: None,
            from: None,
            until: None,
        }
    }

    fn winner(rows: impl IntoIterator<Item = PolicyRow>, now: i64) -> Option<String> {
        let mut table = PolicyTable::default();
        for row in rows {
            table.insert(row).unwrap();
        }
        let scopes = ["tenant:acme".to_owned(), "tenant:acme/agent:bot".to_owned()];
        table.in_force(&scopes, now)?.record.name.clone()
    }

    #[test]
    fn priority_then_specificity_then_age() {
        let broad = || row("broad", "tenant:acme", 0);
        let narrow = || row("narrow", "tenant:acme/agent:bot", 0);
        for rows in [[broad(), narrow()], [narrow(), broad()]] {
            assert_eq!(winner(rows, 0).as_deref(), Some("narrow"));
        }
        let urgent = row("urgent", "tenant:acme", 1);
        assert_eq!(winner([urgent, narrow()], 0).as_deref(), Some("urgent"));
        let newer = row("newer", "tenant:acme/agent:bot", 0);
        assert_eq!(winner([narrow(), newer, broad()], 0).as_deref(), Some("newer"));
        assert_eq!(winner([row("other", "tenant:acme/agent:other", 9)], 0), None);
    }

    #[test]
    fn only_what_is_in_effect_counts() {
        let timed = || PolicyRow { from: Some(10), until: Some(20), ..row("timed", "*", 1) };
        let at = |now| winner([timed(), row("always", "*", 0)], now);
        let [early, first, last, late] = [9, 10, 19, 20].map(|now| at(now).unwrap());
        assert_eq!([early, first, last, late], ["always", "timed", "timed", "always"]);
        let mut disabled = row("disabled", "*", 1);
        disabled.record.status = PolicyStatus::Disabled;
        assert_eq!(winner([disabled], 0), None);
    }

    #[test]
    fn names_are_taken_once_and_the_table_is_bounded() {
        let mut table = PolicyTable::default();
        for index in 0..limits::POLICIES_MAX {
            table.insert(row(&index.to_string(), "*", 0)).unwrap();
        }
        let code = |error: Error| error.code();
        assert_eq!(table.insert(row("0", "*", 0)).map_err(code), Err(ErrorCode::DuplicateResource));
        assert_eq!(table.insert(row("new", "*", 0)).map_err(code), Err(ErrorCode::InvalidRequest));
    }
}
