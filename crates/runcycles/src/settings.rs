//! What the 0.3 [`CyclesConfig`](crate::CyclesConfig) has no field for
//! (decision "Rust `Error` and `CyclesConfig`"); set through the builder.

use crate::error::Error;
use crate::journal::JournalSync;
use crate::nested::Nested;
use crate::vars::Vars;

/// Settings beside the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// What a journalled record survives.
    pub(crate) journal_sync: JournalSync,
    /// Who pays for a guarded call inside another.
    pub(crate) nested: Nested,
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
        vars.word("NESTED", "own, inherit or forbid", Nested::parse, &mut settings.nested)?;
        Ok(settings)
    }
}
