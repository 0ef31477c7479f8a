//! What is counted, through the `metrics` facade; `docs/observability.md` names
//! all of it. Without the feature `metrics` nothing is, and nothing is linked.

#[cfg(feature = "metrics")]
pub(crate) use counted::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use ignored::*;

#[cfg(feature = "metrics")]
mod counted {
    use std::sync::LazyLock;
    use std::time::Duration;

    use cycles_protocol::Operation;
    use metrics::{Key, Label, Level, Metadata, counter, gauge, with_recorder};

    use crate::observed::Outcome;

    static METADATA: Metadata<'static> =
        Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

    /// The keys of one operation's calls. Every call counts, and to make a key costs
    /// more than to count.
    struct Calls {
        totals: Vec<Key>,
        duration: Key,
    }

    static CALLS: LazyLock<Vec<Calls>> =
        LazyLock::new(|| Operation::ALL.iter().copied().map(Calls::of).collect());

    impl Calls {
        fn of(operation: Operation) -> Self {
            let operation = Label::from_static_parts("operation", operation.as_str());
            let total = |outcome: &Outcome| {
                let outcome = Label::from_static_parts("outcome", outcome.as_str());
                Key::from_parts("cycles_client_calls_total", vec![operation.clone(), outcome])
            };
            let totals = Outcome::ALL.iter().map(total).collect();
            let duration =
                Key::from_parts("cycles_client_call_duration_seconds", vec![operation.clone()]);
            Self { totals, duration }
        }
    }

    pub(crate) fn called(operation: Operation, outcome: Outcome, took: Duration) {
        let calls = &CALLS[operation as usize];
        with_recorder(|recorder| {
            recorder.register_counter(&calls.totals[outcome as usize], &METADATA).increment(1);
            recorder.register_histogram(&calls.duration, &METADATA).record(took);
        });
    }

    pub(crate) fn retried(operation: Operation) {
        counter!("cycles_client_retries_total", "operation" => operation.as_str()).increment(1);
    }

    pub(crate) fn settled(outcome: &'static str) {
        if outcome == "committed" {
            // As nearly all do; its key is made once.
            counter!("cycles_client_settlements_total", "outcome" => "committed").increment(1);
            return;
        }
        counter!("cycles_client_settlements_total", "outcome" => outcome).increment(1);
    }

    pub(crate) fn heartbeat_failed(disposition: &'static str) {
        counter!("cycles_client_heartbeat_failures_total", "disposition" => disposition)
            .increment(1);
    }

    pub(crate) fn lease_began() {
        gauge!("cycles_client_leases").increment(1.0);
    }

    pub(crate) fn lease_ended() {
        gauge!("cycles_client_leases").decrement(1.0);
    }

    /// A client's journal held `before` unresolved records and holds `after`.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(crate) fn records_changed(before: usize, after: usize) {
        if after > before {
            gauge!("cycles_client_journal_records").increment((after - before) as f64);
        } else if before > after {
            gauge!("cycles_client_journal_records").decrement((before - after) as f64);
        }
    }

    pub(crate) fn record_quarantined() {
        counter!("cycles_client_journal_quarantined_total").increment(1);
    }

    pub(crate) fn journal_age(server: &str, oldest: Option<Duration>) {
        gauge!("cycles_client_journal_oldest_age_seconds", "server" => server.to_owned())
            .set(oldest.unwrap_or_default());
    }

    pub(crate) fn notification_dropped() {
        counter!("cycles_client_notifications_dropped_total").increment(1);
    }

    pub(crate) fn circuit_opened() {
        counter!("cycles_client_circuit_opened_total").increment(1);
        gauge!("cycles_client_circuits_open").increment(1.0);
    }

    pub(crate) fn circuit_closed() {
        counter!("cycles_client_circuit_closed_total").increment(1);
        gauge!("cycles_client_circuits_open").decrement(1.0);
    }

    /// A client ended with its circuit open.
    pub(crate) fn circuit_gone() {
        gauge!("cycles_client_circuits_open").decrement(1.0);
    }

    pub(crate) fn short_circuited(operation: Operation) {
        let operation = operation.as_str();
        counter!("cycles_client_short_circuited_total", "operation" => operation).increment(1);
    }
}

#[cfg(not(feature = "metrics"))]
mod ignored {
    use std::time::Duration;

    use cycles_protocol::Operation;

    use crate::observed::Outcome;

    pub(crate) fn called(_: Operation, _: Outcome, _: Duration) {}
    pub(crate) fn retried(_: Operation) {}
    pub(crate) fn settled(_: &'static str) {}
    pub(crate) fn heartbeat_failed(_: &'static str) {}
    pub(crate) fn lease_began() {}
    pub(crate) fn lease_ended() {}
    pub(crate) fn records_changed(_: usize, _: usize) {}
    pub(crate) fn record_quarantined() {}
    pub(crate) fn journal_age(_: &str, _: Option<Duration>) {}
    pub(crate) fn notification_dropped() {}
    pub(crate) fn circuit_opened() {}
    pub(crate) fn circuit_closed() {}
    pub(crate) fn circuit_gone() {}
    pub(crate) fn short_circuited(_: Operation) {}
}
