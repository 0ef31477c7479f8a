//! Which trace a call belongs to, and what it is a part of there.
//!
//! With the feature `otel` that is the caller's OpenTelemetry trace, where the
//! current `tracing` span is in one: the authority's records then join it.

use cycles_protocol::{Call, SystemRandom, trace};

/// The call within the caller's trace, where there is one.
pub(crate) fn join_current(call: Call) -> Call {
    #[cfg(feature = "otel")]
    if let Some(current) = otel::current() {
        return call.in_trace(current.trace_id().to_string());
    }
    call
}

/// The `traceparent` to send: the current span where it is in the call's trace.
pub(crate) fn parent_of(call: &Call) -> String {
    #[cfg(feature = "otel")]
    if let Some(parent) = otel::parent_in(&call.trace_id) {
        return parent;
    }
    trace::traceparent(&call.trace_id, &SystemRandom)
}

#[cfg(feature = "otel")]
mod otel {
    use opentelemetry::trace::{SpanContext, TraceContextExt};
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    /// The OpenTelemetry side of the current `tracing` span.
    pub(super) fn current() -> Option<SpanContext> {
        let context = tracing::Span::current().context();
        let span = context.span().span_context().clone();
        span.is_valid().then_some(span)
    }

    pub(super) fn parent_in(trace_id: &str) -> Option<String> {
        let span = current().filter(|span| span.trace_id().to_string() == trace_id)?;
        let flags = span.trace_flags().to_u8();
        Some(format!("00-{trace_id}-{}-{flags:02x}", span.span_id()))
    }
}
