//! What a stream has used so far, and what that costs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cycles_protocol::{CyclesMetrics, Unit};

/// What a stream has used so far.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct StreamUsage {
    /// Tokens that went in.
    pub tokens_input: i64,
    /// Tokens that came out.
    pub tokens_output: i64,
    /// What it has cost in all, in the estimate's unit, where the caller knows.
    pub actual: Option<i64>,
    /// Further measurements to commit with, like `model_version`. Token counts
    /// and latency are filled in where they are left out.
    pub metrics: CyclesMetrics,
    /// What a cost function outside of this process's Rust makes of it.
    pub(crate) cost: Option<i64>,
}

impl StreamUsage {
    /// Whether there is no sign that anything was produced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens_input == 0 && self.tokens_output == 0 && self.actual.unwrap_or(0) == 0
    }

    /// Counts tokens that went in; negative counts are ignored.
    pub fn add_input_tokens(&mut self, tokens: i64) {
        self.tokens_input = self.tokens_input.saturating_add(tokens.max(0));
    }

    /// Counts tokens that came out; negative counts are ignored.
    pub fn add_output_tokens(&mut self, tokens: i64) {
        self.tokens_output = self.tokens_output.saturating_add(tokens.max(0));
    }

    /// The measurements to commit with, after `latency_ms` of streaming.
    pub(super) fn metrics(&self, latency_ms: i64) -> CyclesMetrics {
        let mut metrics = self.metrics.clone();
        let counted = |tokens: i64| (tokens > 0).then_some(tokens);
        metrics.tokens_input = metrics.tokens_input.or(counted(self.tokens_input));
        metrics.tokens_output = metrics.tokens_output.or(counted(self.tokens_output));
        metrics.latency_ms = metrics.latency_ms.or(Some(latency_ms));
        metrics
    }
}

/// Turns usage into an amount.
#[derive(Clone, Default)]
pub(super) enum Meter {
    /// Tokens cost themselves; other units cost what the caller says.
    #[default]
    Tokens,
    /// The caller's function.
    Function(Arc<dyn Fn(&StreamUsage) -> i64 + Send + Sync>),
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tokens => "Tokens",
            Self::Function(_) => "Function",
        })
    }
}

impl Meter {
    /// What `usage` costs; `None` where nothing says.
    pub(super) fn cost(&self, usage: &StreamUsage, unit: Unit) -> Option<i64> {
        usage.actual.or(usage.cost).or_else(|| match self {
            Self::Tokens if unit == Unit::Tokens => {
                Some(usage.tokens_input.saturating_add(usage.tokens_output))
            }
            Self::Tokens => None,
            Self::Function(cost) => computed(&**cost, usage),
        })
    }
}

/// The caller's function may panic or answer nonsense; the stream goes on.
fn computed(cost: &dyn Fn(&StreamUsage) -> i64, usage: &StreamUsage) -> Option<i64> {
    let cost = catch_unwind(AssertUnwindSafe(|| cost(usage))).ok().filter(|cost| *cost >= 0);
    if cost.is_none() {
        tracing::warn!("cost function of a stream panicked or answered a negative amount");
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(tokens_input: i64, tokens_output: i64, actual: Option<i64>) -> StreamUsage {
        StreamUsage { tokens_input, tokens_output, actual, ..StreamUsage::default() }
    }

    #[test]
    fn an_actual_wins_over_the_function_and_the_function_over_tokens() {
        let by_function = Meter::Function(Arc::new(|usage| usage.tokens_output * 3));
        for (meter, usage, unit, cost) in [
            (&Meter::Tokens, usage(2, 5, None), Unit::Tokens, Some(7)),
            (&Meter::Tokens, usage(2, 5, Some(1)), Unit::Tokens, Some(1)),
            (&Meter::Tokens, usage(2, 5, None), Unit::UsdMicrocents, None),
            (&Meter::Tokens, usage(i64::MAX, 1, None), Unit::Tokens, Some(i64::MAX)),
            (&by_function, usage(2, 5, None), Unit::Tokens, Some(15)),
            (&by_function, usage(2, 5, Some(4)), Unit::UsdMicrocents, Some(4)),
        ] {
            assert_eq!(meter.cost(&usage, unit), cost, "{usage:?}");
        }
    }

    #[test]
    fn a_function_that_panics_or_answers_nonsense_says_nothing() {
        for function in
            [Meter::Function(Arc::new(|_| panic!("broken"))), Meter::Function(Arc::new(|_| -1))]
        {
            assert_eq!(function.cost(&usage(1, 1, None), Unit::Tokens), None);
        }
    }

    #[test]
    fn negative_counts_are_ignored_and_measurements_are_filled_in() {
        let mut usage = usage(1, 0, None);
        usage.add_input_tokens(-5);
        usage.add_output_tokens(4);
        usage.metrics.tokens_output = Some(40);
        let metrics = usage.metrics(12);
        assert_eq!((metrics.tokens_input, metrics.tokens_output), (Some(1), Some(40)));
        assert_eq!(metrics.latency_ms, Some(12));
    }
}
