//! What rows of a listing stand in order by, and pages of them.

use std::cmp::Ordering;

use cycles_protocol::control::{
    ApiKey, ApiKeySortKey, BudgetLedger, BudgetSortKey, Tenant, TenantSortKey,
};
use cycles_protocol::{CommitOveragePolicy, Error, SortDirection};
use serde::{Deserialize, Serialize};

use crate::{cursor, time};

/// What a row is sorted by. In one listing, all rows have the same kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SortValue {
    /// By name alone.
    #[serde(rename = "-")]
    Name,
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "n")]
    Number(i64),
    /// So many of so many; of nothing, nothing.
    #[serde(rename = "s")]
    Share(i64, i64),
}

impl SortValue {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Share(part, whole), Self::Share(other_part, other_whole)) => {
                let one = i128::from(*part) * i128::from(*other_whole);
                one.cmp(&(i128::from(*other_part) * i128::from(*whole)))
            }
            _ => Ordering::Equal,
        }
    }

    /// A moment that was written as ISO 8601; text does not sort as time does.
    fn moment(text: &str) -> Self {
        Self::Number(time::parse("created_at", text).unwrap_or(i64::MAX))
    }

    pub(super) fn of_tenant(key: Option<TenantSortKey>, tenant: &Tenant) -> Self {
        match key {
            Some(TenantSortKey::Name) => Self::Text(tenant.name.clone()),
            Some(TenantSortKey::Status) => Self::Text(tenant.status.to_string()),
            Some(TenantSortKey::CreatedAt) => Self::moment(&tenant.created_at),
            // Its name is its id.
            _ => Self::Name,
        }
    }

    pub(super) fn of_key(key: Option<ApiKeySortKey>, row: &ApiKey) -> Self {
        match key {
            Some(ApiKeySortKey::KeyId) => Self::Text(row.key_id.clone()),
            Some(ApiKeySortKey::Name) => Self::Text(row.name.clone().unwrap_or_default()),
            Some(ApiKeySortKey::Status) => Self::Text(row.status.to_string()),
            Some(ApiKeySortKey::CreatedAt) => Self::moment(&row.created_at),
            Some(ApiKeySortKey::ExpiresAt) => Self::moment(&row.expires_at),
            // Its name starts with its tenant.
            _ => Self::Name,
        }
    }

    pub(super) fn of_budget(key: Option<BudgetSortKey>, budget: &BudgetLedger) -> Self {
        match key {
            Some(BudgetSortKey::TenantId) => Self::Text(budget.tenant_id.clone()),
            Some(BudgetSortKey::Unit) => Self::Text(budget.unit.to_string()),
            Some(BudgetSortKey::Status) => Self::Text(budget.status.to_string()),
            Some(BudgetSortKey::CommitOveragePolicy) => {
                let policy = budget.commit_overage_policy.map(CommitOveragePolicy::as_str);
                Self::Text(policy.unwrap_or_default().to_owned())
            }
            Some(BudgetSortKey::Utilization) => match budget.allocated.amount {
                0 => Self::Share(0, 1),
                allocated => Self::Share(budget.spent.amount, allocated),
            },
            Some(BudgetSortKey::Debt) => Self::Number(budget.debt.amount),
            // Its name starts with its scope.
            _ => Self::Name,
        }
    }
}

/// The last row of the page before.
#[derive(Serialize, Deserialize)]
struct After {
    /// Fingerprint of the filters and the order.
    fh: String,
    value: SortValue,
    name: String,
}

/// One row with what it is sorted by and its name, which no other has.
pub(super) type Row<T> = (SortValue, String, T);

/// One page, and where the next one starts.
pub(super) struct Page<T> {
    pub(super) rows: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

/// What was asked for, but for the filters themselves.
pub(super) struct Asked {
    fh: String,
    after: Option<After>,
    direction: SortDirection,
    limit: usize,
}

impl Asked {
    /// `filters` are those of the listing and its order, without page size and
    /// cursor.
    pub(super) fn of(
        filters: &impl Serialize,
        direction: SortDirection,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Self, Error> {
        let fh = cursor::fingerprint(filters);
        let read = |text| cursor::read(text, |after: &After| after.fh == fh);
        let after = cursor.map(read).transpose()?;
        Ok(Self { fh, after, direction, limit: cursor::page(limit)? })
    }

    /// Whether a row of this name may be on the page. It spares making rows of
    /// earlier pages where names alone tell.
    pub(super) fn wants(&self, name: &str) -> bool {
        match &self.after {
            Some(After { value: SortValue::Name, name: after, .. }) => {
                let order = name.cmp(after.as_str());
                if self.direction == SortDirection::Desc { order.is_lt() } else { order.is_gt() }
            }
            _ => true,
        }
    }

    /// The first of `rows` that come after the page before.
    pub(super) fn page<T>(self, mut rows: Vec<Row<T>>) -> Page<T> {
        if let Some(After { value, name, .. }) = &self.after {
            rows.retain(|row| self.order((&row.0, &row.1), (value, name)).is_gt());
        }
        rows.sort_unstable_by(|one, other| self.order((&one.0, &one.1), (&other.0, &other.1)));
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| has_more);
        let last = last.map(|(value, name, _)| (value.clone(), name.clone()));
        let next_cursor =
            last.and_then(|(value, name)| cursor::write(&After { fh: self.fh, value, name }));
        Page { rows: rows.into_iter().map(|(.., row)| row).collect(), next_cursor }
    }

    fn order(&self, one: (&SortValue, &String), other: (&SortValue, &String)) -> Ordering {
        let order = one.0.compare(other.0).then_with(|| one.1.cmp(other.1));
        if self.direction == SortDirection::Desc { order.reverse() } else { order }
    }
}

/// Which way rows are sorted; spec: with a `sort_by` descending unless asked.
pub(super) fn direction(is_sorted: bool, asked: Option<SortDirection>) -> SortDirection {
    asked.unwrap_or(if is_sorted { SortDirection::Desc } else { SortDirection::Asc })
}
