//! What the server's own ledger says, asked over HTTP as anyone could.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// The ledger of one tenant.
pub(crate) struct Ledger {
    http: ureq::Agent,
    base_url: String,
    api_key: String,
    tenant: String,
}

/// What one agent has spent.
pub(crate) struct Booked {
    /// Committed reservations.
    pub(crate) calls: i64,
    /// Their sum.
    pub(crate) spent: i64,
}

/// The tenant's budget.
pub(crate) struct Budget {
    pub(crate) allocated: i64,
    pub(crate) spent: i64,
    pub(crate) reserved: i64,
    pub(crate) remaining: i64,
}

impl Ledger {
    pub(crate) fn new(base_url: &str, api_key: &str, tenant: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5)));
        Self {
            http: config.build().into(),
            base_url: base_url.to_owned(),
            api_key: api_key.to_owned(),
            tenant: tenant.to_owned(),
        }
    }

    /// What the ledger has booked for `agent`.
    pub(crate) fn booked(&self, agent: &str) -> Result<Booked> {
        let mut booked = Booked { calls: 0, spent: 0 };
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!(
                "/v1/reservations?tenant={}&agent={agent}&status=COMMITTED&limit=200{cursor}",
                self.tenant
            ))?;
            for reservation in page["reservations"].as_array().into_iter().flatten() {
                booked.calls += 1;
                booked.spent += number(&reservation["committed"]["amount"])?;
            }
            match page["next_cursor"].as_str() {
                Some(next) if page["has_more"] == true => cursor = format!("&cursor={next}"),
                _ => return Ok(booked),
            }
        }
    }

    /// The tenant's budget as it stands.
    pub(crate) fn budget(&self) -> Result<Budget> {
        let page = self.get(&format!("/v1/balances?tenant={}", self.tenant))?;
        let scope = format!("tenant:{}", self.tenant);
        let balance = page["balances"].as_array().into_iter().flatten();
        let balance = balance.into_iter().find(|balance| balance["scope_path"] == scope.as_str());
        let balance = balance.with_context(|| format!("no budget of {scope} in {page}"))?;
        Ok(Budget {
            allocated: number(&balance["allocated"]["amount"])?,
            spent: number(&balance["spent"]["amount"])?,
            reserved: number(&balance["reserved"]["amount"])?,
            remaining: number(&balance["remaining"]["amount"])?,
        })
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.base_url);
        let mut answer = self.http.get(&url).header("X-Cycles-API-Key", &self.api_key).call()?;
        serde_json::from_str(&answer.body_mut().read_to_string()?).context("the answer is not JSON")
    }
}

fn number(value: &Value) -> Result<i64> {
    value.as_i64().with_context(|| format!("the ledger answered {value} for an amount"))
}
