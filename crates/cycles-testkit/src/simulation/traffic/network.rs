//! Requests on their way.

use std::collections::BTreeMap;

use crate::simulation::command::Command;

/// What is in the air, by the step at which it arrives.
#[derive(Debug, Default)]
pub(super) struct Network {
    in_air: BTreeMap<(u64, u64), (Option<usize>, Command)>,
    sent: u64,
}

impl Network {
    /// Sends `command`, to arrive `delay` steps after `step` or later.
    pub(super) fn send(&mut self, step: u64, delay: i64, client: Option<usize>, command: Command) {
        self.sent += 1;
        self.in_air.insert((step + delay.unsigned_abs(), self.sent), (client, command));
    }

    /// What arrives by `step`.
    pub(super) fn due(&mut self, step: u64) -> Option<(Option<usize>, Command)> {
        let first = self.in_air.first_entry()?;
        if first.key().0 > step { None } else { Some(first.remove()) }
    }
}
