//! [`Log`]: what a turn touched, where somebody wants to know.

/// What was touched since it was last taken; nothing, in memory alone.
#[derive(Debug)]
pub(crate) struct Log<T>(Option<Vec<T>>);

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Log<T> {
    /// From now on, notes are kept.
    pub(crate) fn keep(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> T) {
        if let Some(notes) = &mut self.0 {
            notes.push(what());
        }
    }

    /// All notes since the last time.
    pub(crate) fn take(&mut self) -> Vec<T> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
