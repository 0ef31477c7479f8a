//! What the 0.3 [`CyclesConfig`](crate::CyclesConfig) has no field for
//! (decision "Rust `Error` and `CyclesConfig`"); set through the builder.

use crate::error::Error;
use crate::journal::JournalSync;
use crate::vars::Vars;

/// Settings beside the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// What a journalled record survives.
    pub(crate) journal_sync: JournalSync,
}

impl Settings {
    pub(crate) fn read(vars: &Vars<'_, impl Fn(&str) -> Option<String>>) -> Result<Self, Error> {
        let mut settings = Self::default();
        vars.word(
            "JOURNAL_SYNC",
            "power or process",
            JournalSync::parse,
            &mut settings.journal_sync,
        )?;
        Ok(settings)
    }
}
