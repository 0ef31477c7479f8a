//! Errors on their way out.

use runcycles::ErrorReport;

/// Why a call did not succeed. Panics arrive as uniffi's own internal error.
#[derive(Debug, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// What the core says of it.
    #[error("{msg}")]
    Report {
        /// An error report as JSON: `kind`, `message`, `code`, `status`, ….
        msg: String,
    },
}

impl From<ErrorReport> for NativeError {
    fn from(report: ErrorReport) -> Self {
        Self::Report { msg: json(&report) }
    }
}

/// A document of the core as JSON text.
pub(crate) fn json(document: &impl serde::Serialize) -> String {
    serde_json::to_string(document).expect("the core's documents have text keys")
}

/// A document of the foreign side, from JSON text.
pub(crate) fn document<T: serde::de::DeserializeOwned>(
    what: &str,
    text: &str,
) -> Result<T, NativeError> {
    let invalid = |error: serde_json::Error| {
        let problem = cycles_protocol::Error::invalid(format!("{what} is not JSON: {error}"));
        ErrorReport::from(problem)
    };
    let value = serde_json::from_str(text).map_err(invalid)?;
    Ok(runcycles::document::read(what, value)?)
}
