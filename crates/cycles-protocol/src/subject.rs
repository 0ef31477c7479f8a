//! Who spends ([`Subject`]) and on what ([`Action`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scope::Level;

/// The six levels a budget can sit on, and free dimensions beside them
/// (spec: `Subject`). At least one level must be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The isolation boundary; must be the key's own tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Second level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Third level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Fourth level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Fifth level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Sixth level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolset: Option<String>,
    /// Custom taxonomy; round-trips, decides nothing. At most 16 entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<BTreeMap<String, String>>,
}

impl Subject {
    /// Whether at least one level is set.
    #[must_use]
    pub fn has_field(&self) -> bool {
        self.levels().next().is_some()
    }

    /// The value at `level`, as sent.
    #[must_use]
    pub fn get(&self, level: Level) -> Option<&str> {
        match level {
            Level::Tenant => self.tenant.as_deref(),
            Level::Workspace => self.workspace.as_deref(),
            Level::App => self.app.as_deref(),
            Level::Workflow => self.workflow.as_deref(),
            Level::Agent => self.agent.as_deref(),
            Level::Toolset => self.toolset.as_deref(),
        }
    }

    /// The field at `level`.
    pub fn get_mut(&mut self, level: Level) -> &mut Option<String> {
        match level {
            Level::Tenant => &mut self.tenant,
            Level::Workspace => &mut self.workspace,
            Level::App => &mut self.app,
            Level::Workflow => &mut self.workflow,
            Level::Agent => &mut self.agent,
            Level::Toolset => &mut self.toolset,
        }
    }

    /// The levels that are set, root first.
    pub fn levels(&self) -> impl Iterator<Item = (Level, &str)> {
        Level::ALL.into_iter().filter_map(|level| Some((level, self.get(level)?)))
    }

    /// Fills every level that is unset from `defaults`.
    #[must_use]
    pub fn or(mut self, defaults: &Self) -> Self {
        self.fill(|level| defaults.get(level));
        if self.dimensions.is_none() {
            self.dimensions.clone_from(&defaults.dimensions);
        }
        self
    }

    /// Fills every level that is unset with what `default` says of it.
    pub fn fill<'d>(&mut self, default: impl Fn(Level) -> Option<&'d str>) {
        for level in Level::ALL {
            let field = self.get_mut(level);
            if field.is_none() {
                *field = default(level).map(str::to_owned);
            }
        }
    }
}

/// What the spend is for (spec: `Action`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Action {
    /// Category and operation, like `llm.completion`. At most 64 characters.
    pub kind: String,
    /// Provider, model or tool, like `openai:gpt-4o-mini`. At most 256.
    pub name: String,
    /// Policy tags; at most 10 of 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

impl Action {
    /// An action without tags.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), tags: None }
    }
}
