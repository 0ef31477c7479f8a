//! What is counted, through the `metrics` facade; `docs/observability.md` names
//! all of it. Without the feature `metrics` nothing is, and nothing is linked.

#[cfg(feature = "metrics")]
pub(crate) use counted::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use ignored::*;

#[cfg(feature = "metrics")]
mod counted {
    use std::time::Duration;

    use cycles_protocol::Operation;
    use metrics::{counter, gauge, histogram};

    pub(crate) fn called(operation: Operation, outcome: &'static str, took: Duration) {
        let operation = operation.as_str();
        counter!("cycles_client_calls_total", "operation" => operation, "outcome" => outcome)
            .increment(1);
        histogram!("cycles_client_call_duration_seconds", "operation" => operation).record(took);
    }

    pub(crate) fn retried(operation: Operation) {
        counter!("cycles_client_retries_total", "operation" => operation.as_str()).increment(1);
    }

    pub(crate) fn settled(outcome: &'static str) {
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
}

#[cfg(not(feature = "metrics"))]
mod ignored {
    use std::time::Duration;

    use cycles_protocol::Operation;

    pub(crate) fn called(_: Operation, _: &'static str, _: Duration) {}
    pub(crate) fn retried(_: Operation) {}
    pub(crate) fn settled(_: &'static str) {}
    pub(crate) fn heartbeat_failed(_: &'static str) {}
    pub(crate) fn lease_began() {}
    pub(crate) fn lease_ended() {}
    pub(crate) fn records_changed(_: usize, _: usize) {}
    pub(crate) fn record_quarantined() {}
    pub(crate) fn journal_age(_: &str, _: Option<Duration>) {}
    pub(crate) fn notification_dropped() {}
}
