//! How time passes: a little, to a boundary exactly, or a lot.

use super::{Past, Step, Traffic};
use crate::simulation::command::Act;
use crate::simulation::oracle::Oracle;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Traffic {
    /// How much time passes before the next request.
    pub(super) fn passing(&mut self, now: i64, oracle: &Oracle) -> i64 {
        match self.dice.below(10_000) {
            0..8_500 => 0,
            8_500..9_300 => self.dice.between(1..=500),
            9_300..9_500 => self.dice.between(500..=5_000),
            9_500..9_520 => self.dice.between(5_000..=60_000),
            9_520..9_985 => self.boundary(now).unwrap_or(0),
            9_985..9_993 => self.period_end(now, oracle).unwrap_or(0),
            9_993..9_998 => self.dice.between(60_000..=4_000_000),
            _ => self.dice.between(0..=2 * DAY_MS),
        }
    }

    /// To the end of a lease or of its grace, or a millisecond beside it. The
    /// nearest ones, so that not everything runs out all the time.
    fn boundary(&mut self, now: i64) -> Option<i64> {
        let has_grace = self.dice.percent(50);
        let beside = self.dice.between(-1..=1);
        let held = self.clients.iter().flat_map(|client| &client.held);
        let ends = held
            .map(|lease| lease.expires_at + if has_grace { lease.grace_ms } else { 0 } + beside);
        ends.filter(|end| *end > now).min().map(|end| end - now)
    }

    /// To the beginning of a budget's next period, or a millisecond beside it.
    fn period_end(&mut self, now: i64, oracle: &Oracle) -> Option<i64> {
        let beside = self.dice.between(-1..=1);
        oracle.next_period(now).map(|begins| begins + beside - now).filter(|passing| *passing > 0)
    }

    /// An old request again, around the moment at which its answer is forgotten:
    /// a day for what only asked and for funding, 30 for the rest.
    pub(super) fn echo(&mut self, now: i64) -> Option<Step> {
        let is_short = self.dice.percent(50);
        let is_short_lived = |act: &Act| match act {
            Act::Create(request) => request.dry_run == Some(true),
            act => matches!(act, Act::Decide(_) | Act::Fund(..)),
        };
        let like: Vec<_> = self
            .past
            .iter()
            .filter(|past| past.command.act.is_idempotent())
            .filter(|past| is_short_lived(&past.command.act) == is_short)
            .collect();
        let Past { at, client, command } = *self.dice.pick(&like)?;
        let days = if is_short { 1 } else { 30 };
        let advance_ms = at + days * DAY_MS + self.dice.between(-1..=1) - now;
        let step = Step { advance_ms, command: command.clone(), client: *client };
        (advance_ms >= 0).then_some(step)
    }
}
