//! Statuses that the server answers although the contract does not declare them.

use serde::Deserialize;

/// The file as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    status: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    status: u16,
    /// `operationId`s; every operation, and every method, where none is named.
    #[serde(default)]
    operations: Vec<String>,
    reason: String,
}

impl Exceptions {
    /// Reads the file.
    ///
    /// # Errors
    /// When it has a field too many or an exception without a reason.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let exceptions: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        match exceptions.status.iter().find(|exception| exception.reason.trim().is_empty()) {
            Some(exception) => Err(format!("exception has no reason status={}", exception.status)),
            None => Ok(exceptions),
        }
    }

    /// Whether `operation` may answer `status`; without one, whether a method
    /// that the contract does not have may.
    pub(crate) fn allow(&self, operation: Option<&str>, status: u16) -> bool {
        self.status.iter().any(|exception| {
            exception.status == status
                && (exception.operations.is_empty()
                    || operation.is_some_and(|id| exception.operations.iter().any(|op| op == id)))
        })
    }

    /// Every operation and status that is named.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, u16)> {
        self.status.iter().flat_map(|exception| {
            exception.operations.iter().map(|operation| (operation.as_str(), exception.status))
        })
    }
}
