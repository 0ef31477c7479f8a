//! `GET /v1/balances`, as the runtime plane shapes it.

use cycles_protocol::scope::Level;
use cycles_protocol::{
    BalanceParams, BalanceResponse, Error, ErrorCode, Permission, Principal, Subject, Unit,
};
use serde::{Deserialize, Serialize};

use crate::store::{BudgetRow, balance};
use crate::{Engine, access, cursor};
use cycles_protocol::scope_filter::{ScopeFilter, value_at};

/// The last row of the page before.
#[derive(Serialize, Deserialize)]
struct After {
    /// Fingerprint of the filters.
    fh: String,
    scope: String,
    unit: Unit,
}

impl Engine {
    pub(crate) fn get_balances_now(
        &self,
        principal: &Principal,
        params: &BalanceParams,
    ) -> Result<BalanceResponse, Error> {
        let caller = access::tenant(principal)?;
        if params.subject.levels().next().is_none() {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "at least one of tenant, workspace, app, workflow, agent, toolset is required",
            ));
        }
        let limit = cursor::page(params.limit)?;
        caller.require(&[Permission::BalancesRead])?;
        caller.is_tenant(params.subject.tenant.as_deref(), "tenant")?;
        let levels: Vec<_> = params.subject.levels().map(|(_, value)| value).collect();
        let names: Vec<_> = params.subject.levels().map(|(level, _)| level.as_str()).collect();
        let fh = cursor::fingerprint(&(
            caller.tenant_id,
            caller.scope_filter,
            names,
            levels,
            params.include_children,
        ));
        let after = match &params.cursor {
            Some(text) => Some(cursor::read(text, |after: &After| after.fh == fh)?),
            None => None,
        };

        let filter = ScopeFilter::new(caller.scope_filter);
        let tenant = self.tenant(caller.tenant_id)?;
        let (state, _) = self.turn(&tenant)?;
        let mut rows: Vec<_> = state
            .budgets
            .rows()
            .iter()
            .filter(|row| {
                after.as_ref().is_none_or(|after| place(row) > (&after.scope, after.unit))
            })
            .filter(|row| matches(&row.scope, &params.subject, params.include_children))
            .filter(|row| filter.admits_scope(&row.scope))
            .collect();
        let has_more = rows.len() > limit;
        if has_more {
            rows.select_nth_unstable_by_key(limit, |row| place(row));
            rows.truncate(limit);
        }
        rows.sort_unstable_by_key(|row| place(row));
        let next_cursor = rows.last().filter(|_| has_more).and_then(|row| {
            cursor::write(&After { fh, scope: row.scope.to_string(), unit: row.unit })
        });
        let balances = rows
            .into_iter()
            .map(|row| balance(&row.scope, row.unit, (&row.budget).into()))
            .collect();
        Ok(BalanceResponse { balances, next_cursor, has_more: Some(has_more) })
    }
}

fn place(row: &BudgetRow) -> (&str, Unit) {
    (&row.scope, row.unit)
}

/// Exact at every level that the filter sets, open at the levels between; below
/// the filter's deepest level only with `include_children`.
fn matches(scope: &str, filter: &Subject, include_children: bool) -> bool {
    let mut deepest = Level::Tenant;
    for (level, wanted) in filter.levels() {
        deepest = level;
        // The tenant is the key's, and with it every scope's.
        let is_tenant = level == Level::Tenant;
        if !is_tenant
            && !value_at(scope, level).is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        {
            return false;
        }
    }
    include_children
        || !Level::ALL.into_iter().any(|level| level > deepest && value_at(scope, level).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_between_are_open_and_levels_below_are_children() {
        let agent = Subject { agent: Some("Bot".into()), ..Subject::default() };
        for (scope, exact, children) in [
            ("tenant:a/agent:bot", true, true),
            ("tenant:a/workspace:w/agent:bot", true, true),
            ("tenant:a/agent:bot/toolset:t", false, true),
            ("tenant:a/agent:other", false, false),
            ("tenant:a", false, false),
        ] {
            assert_eq!(matches(scope, &agent, false), exact, "{scope}");
            assert_eq!(matches(scope, &agent, true), children, "{scope}");
        }
    }
}
