//! Soft limits that come with `ALLOW_WITH_CAPS`.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode};
use crate::limits;
use crate::strict::{self, Validate};

/// Constraints the caller is asked to keep (spec: `Caps`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Most tokens to generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// Most further steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps_remaining: Option<i64>,
    /// When not empty, only these tools may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_allowlist: Option<Vec<String>>,
    /// When not empty and no allowlist stands, these tools may not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_denylist: Option<Vec<String>>,
    /// Pause before the next call, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_ms: Option<i64>,
}

impl Caps {
    /// Whether `tool` may run. spec: `Caps` PRECEDENCE RULES: a non-empty
    /// allowlist decides alone, then a non-empty denylist, else everything may.
    #[must_use]
    pub fn is_tool_allowed(&self, tool: &str) -> bool {
        let listed = |list: &Vec<String>| list.iter().any(|name| name == tool);
        match (&self.tool_allowlist, &self.tool_denylist) {
            (Some(allow), _) if !allow.is_empty() => listed(allow),
            (_, Some(deny)) => !listed(deny),
            _ => true,
        }
    }
}

impl Validate for Caps {
    fn validate(&self) -> Result<(), Error> {
        strict::not_negative("caps.max_tokens", self.max_tokens)?;
        strict::not_negative("caps.max_steps_remaining", self.max_steps_remaining)?;
        strict::not_negative("caps.cooldown_ms", self.cooldown_ms)?;
        tools("caps.tool_allowlist", self.tool_allowlist.as_deref())?;
        tools("caps.tool_denylist", self.tool_denylist.as_deref())
    }
}

fn tools(field: &str, list: Option<&[String]>) -> Result<(), Error> {
    let list = list.unwrap_or_default();
    if list.len() > limits::TOOLS_MAX {
        let (max, count) = (limits::TOOLS_MAX, list.len());
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("at most {max} tools field={field} count={count}"),
        ));
    }
    list.iter().try_for_each(|tool| strict::length(field, Some(tool), 0, limits::TOOL_NAME_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_allowlist_restricts_nothing() {
        let caps = Caps { tool_allowlist: Some(vec![]), ..Caps::default() };
        assert!(caps.is_tool_allowed("search"));
    }

    #[test]
    fn the_allowlist_wins_over_the_denylist() {
        let caps = Caps {
            tool_allowlist: Some(vec!["search".into()]),
            tool_denylist: Some(vec!["search".into()]),
            ..Caps::default()
        };
        assert!(caps.is_tool_allowed("search"));
        assert!(!caps.is_tool_allowed("shell"));
    }
}
