//! What the files of `tests/scenarios` say.

use std::collections::BTreeMap;

use runcycles::OnLimit;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) seed: Value,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) guard: Option<GuardStep>,
    pub(crate) stream: Option<StreamStep>,
    pub(crate) call: Option<CallStep>,
    #[serde(default)]
    pub(crate) expect: Map<String, Value>,
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
    pub(crate) advance_ms: Option<u64>,
    pub(crate) wait_for: Option<WaitStep>,
    pub(crate) fault: Option<Value>,
    pub(crate) wait_for_faults: Option<String>,
    pub(crate) budgets: Option<Vec<Map<String, Value>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardStep {
    pub(crate) key: Option<String>,
    pub(crate) request: Value,
    pub(crate) actual: Option<i64>,
    pub(crate) raises: Option<String>,
    #[serde(default)]
    pub(crate) during: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamStep {
    pub(crate) key: Option<String>,
    pub(crate) request: Value,
    #[serde(default)]
    pub(crate) on_limit: OnLimit,
    pub(crate) extend_by: Option<i64>,
    /// Output tokens of each piece that its source has.
    #[serde(default)]
    pub(crate) pieces: Vec<i64>,
    pub(crate) actual: Option<i64>,
    pub(crate) raises: Option<String>,
    #[serde(default)]
    pub(crate) during: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallStep {
    pub(crate) key: Option<String>,
    pub(crate) operation: String,
    pub(crate) reservation_id: Option<String>,
    #[serde(default)]
    pub(crate) query: BTreeMap<String, Value>,
    pub(crate) body: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitStep {
    pub(crate) operation: String,
    pub(crate) count: usize,
}
