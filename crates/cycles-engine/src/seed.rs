//! A starting state in YAML or JSON: tenants, keys, budgets and policies.

mod amount;
mod budgets;
mod policy;
mod retention;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cycles_protocol::control::{BudgetPeriod, BudgetStatus, TenantStatus};
use cycles_protocol::{CommitOveragePolicy, JsonMap, Unit, limits, scope};
use serde::{Deserialize, Serialize};

pub use amount::SeedAmount;
pub use policy::{SeedCaps, SeedLease, SeedPolicy};
pub use retention::SeedRetention;

/// What an authority starts with (`cycles serve --seed FILE`).
///
/// Tenants that only keys, budgets or policies mention are created too.
///
/// ```
/// let seed = cycles_engine::Seed::from_yaml(
///     "keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
/// budgets: {tenant:acme: $1.00}",
/// )?;
/// assert_eq!(seed.keys[0].secret, "cyc_test_acme");
/// # Ok::<(), cycles_engine::SeedError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Tenants with their settings.
    pub tenants: Vec<SeedTenant>,
    /// Keys with their secrets.
    pub keys: Vec<SeedKey>,
    /// Budgets in any state; for short, scopes with their amounts.
    #[serde(deserialize_with = "budgets::read")]
    pub budgets: Vec<SeedBudget>,
    /// Policies; of equals, the later one wins.
    pub policies: Vec<SeedPolicy>,
    /// How much of what has ended is kept.
    pub retention: SeedRetention,
}

/// A tenant of a [`Seed`]; its id needs only the subject's characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedTenant {
    /// Its id.
    pub tenant_id: String,
    /// Its name; the id unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it stands; active unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TenantStatus>,
    /// See `Tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tenant_id: Option<String>,
    /// See `Tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_commit_overage_policy: Option<CommitOveragePolicy>,
    /// See `Tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_reservation_ttl_ms: Option<i64>,
    /// See `Tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reservation_ttl_ms: Option<i64>,
    /// See `Tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reservation_extensions: Option<i64>,
    /// See `Tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_expiry_policy: Option<String>,
    /// See `Tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

/// A key of a [`Seed`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedKey {
    /// Tests and programs find the key by this.
    pub name: String,
    /// What callers send.
    pub secret: String,
    /// Whose key.
    pub tenant_id: String,
    /// What it may do; the default set unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// Where; everywhere in the tenant unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_filter: Option<Vec<String>>,
}

impl SeedKey {
    fn default_of(tenant: &str) -> Self {
        Self {
            name: tenant.to_owned(),
            secret: format!("cyc_embedded_{tenant}"),
            tenant_id: tenant.to_owned(),
            permissions: None,
            scope_filter: None,
        }
    }
}

// A seed is printed in logs and test failures; a secret must not be.
impl fmt::Debug for SeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeedKey")
            .field("name", &self.name)
            .field("tenant_id", &self.tenant_id)
            .field("permissions", &self.permissions)
            .field("scope_filter", &self.scope_filter)
            .finish_non_exhaustive()
    }
}

/// A budget of a [`Seed`]. Nothing is reserved at the start, since no
/// reservation holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedBudget {
    /// Canonical scope path.
    pub scope: String,
    /// Its unit.
    pub unit: Unit,
    /// The whole budget.
    pub allocated: SeedAmount,
    /// Charged already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<SeedAmount>,
    /// Charged beyond the budget already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debt: Option<SeedAmount>,
    /// Most debt; none unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdraft_limit: Option<SeedAmount>,
    /// Whether new reservations are blocked until reconciled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_over_limit: Option<bool>,
    /// Where it stands; active unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<BudgetStatus>,
    /// Overage policy of this budget, if it sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_overage_policy: Option<CommitOveragePolicy>,
    /// Caps of whatever draws on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<SeedCaps>,
    /// Lets it start anew, every so often, with what is allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<BudgetPeriod>,
}

impl SeedBudget {
    /// An active budget of which nothing is spent.
    pub fn new(scope: impl Into<String>, unit: Unit, allocated: impl Into<SeedAmount>) -> Self {
        Self {
            scope: scope.into(),
            unit,
            allocated: allocated.into(),
            spent: None,
            debt: None,
            overdraft_limit: None,
            is_over_limit: None,
            status: None,
            commit_overage_policy: None,
            caps: None,
            period: None,
        }
    }
}

/// Why a seed cannot be used: names the line and column, or the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SeedError {
    message: String,
}

impl SeedError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl Seed {
    /// Reads a seed. YAML is a superset of JSON, so a JSON seed is read too.
    ///
    /// # Errors
    /// For text that is not YAML, fields that no seed has and values of the
    /// wrong type; the message names line and column.
    pub fn from_yaml(text: &str) -> Result<Self, SeedError> {
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| SeedError::new(format!("seed does not parse: {error}")))
    }

    /// The seed for an authority that only this process reaches: where it has no
    /// keys, each tenant gets one, called like the tenant, in the order of their
    /// names in lower case. A server that others reach must not start so, since anybody can
    /// guess these secrets.
    #[must_use]
    pub fn with_default_keys(mut self) -> Self {
        if self.keys.is_empty() {
            let declared = self.tenants.iter().map(|tenant| tenant.tenant_id.as_str());
            let mentioned = self.budgets.iter().filter_map(|budget| scope::tenant(&budget.scope));
            // By name: the maps of most languages, and JSON's, have no order.
            let mentioned: BTreeSet<&str> = mentioned.collect();
            // Case does not tell tenants apart; what is no name is refused where it stands.
            let names = declared.chain(mentioned).filter(|name| limits::is_subject_value(name));
            let mut tenants = BTreeMap::new();
            for name in names {
                tenants.entry(name.to_ascii_lowercase()).or_insert(name);
            }
            self.keys = tenants.into_values().map(SeedKey::default_of).collect();
        }
        self
    }
}
