//! Streams as the language packages hold them.

use std::future::Future;
use std::sync::Arc;

use cycles_protocol::{CyclesMetrics, JsonMap};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::GuardRequest;
use super::guard::Facts;
use super::settlement::{Member, SettlementDocument};
use crate::client::CyclesClient;
use crate::error::ErrorReport;
use crate::lifecycle::Booking;
use crate::nested::{Nesting, Parent};
use crate::settlement::Settlement;
use crate::stream::{Next, OnLimit, StreamOptions, StreamReservation};

/// How a stream is watched, as a document.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamOptionsDocument {
    /// What happens when the hold is used up; the stream goes on unless set.
    pub on_limit: OnLimit,
    /// What each further reservation holds; the estimate unless set.
    pub extend_by: Option<i64>,
}

/// What a stream has used so far, as a document: all of it, not what came since.
///
/// The output has flowed, so reading never fails on a member: one that makes no
/// sense is dropped with a warning.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UsageDocument {
    tokens_input: Member<i64>,
    tokens_output: Member<i64>,
    /// What it has cost in all, in the estimate's unit, where the user said so.
    actual: Member<i64>,
    /// What the user's cost function makes of the rest.
    cost: Member<i64>,
    /// Further measurements to commit with.
    metrics: Member<CyclesMetrics>,
    /// Kept with the commit.
    metadata: Member<JsonMap>,
}

/// Whether more output may flow, as a document.
#[derive(Debug, Clone, Serialize)]
pub struct FlowDocument {
    /// `continue`, `cut`, or `refused`.
    pub flow: &'static str,
    /// Why a further hold was refused, or which lease was lost.
    pub error: Option<ErrorReport>,
}

impl From<Next> for FlowDocument {
    fn from(next: Next) -> Self {
        let (flow, error) = match next {
            Next::Continue => ("continue", None),
            Next::Cut => ("cut", None),
            Next::Refused(error) => ("refused", Some(error.into())),
            Next::Lost(loss) => ("refused", Some(ErrorReport::from(&loss))),
        };
        Self { flow, error }
    }
}

/// A stream as the language packages hold it: settles at most once, whoever asks.
#[derive(Debug)]
pub struct Stream {
    stream: StreamReservation,
    facts: Option<Facts>,
}

/// Reserves budget for a stream. `parent` is the call that it is opened inside of.
///
/// # Errors
/// The refusal; nothing must flow then. Kind `Validation` for a dry run, which
/// holds nothing to stream on.
pub async fn begin_stream(
    client: &CyclesClient,
    request: GuardRequest,
    options: StreamOptionsDocument,
    parent: Option<Parent>,
) -> Result<Stream, ErrorReport> {
    let nesting = Nesting { parent, nested: request.nested };
    let (request, booking) = (request.into(), Booking::default());
    let mut watched = StreamOptions::new().on_limit(options.on_limit);
    if let Some(amount) = options.extend_by {
        watched = watched.extend_by(amount);
    }
    let stream =
        StreamReservation::begin(client, Arc::new(request), booking, watched, nesting).await?;
    let facts = stream.first(Facts::of);
    Ok(Stream { stream, facts })
}

impl Stream {
    /// What its user may know of it: what a guard's context says of the first
    /// reservation, and `reservation_ids`, `used`, `held`, `is_cut`, `is_settled`.
    #[must_use]
    pub fn context(&self) -> Value {
        let stream = &self.stream;
        let mut context =
            self.facts.as_ref().map(|facts| json!(facts.context())).unwrap_or_default();
        if let Some((expires_at_ms, loss)) =
            stream.first(|guard| (guard.expires_at_ms(), guard.lease().loss()))
        {
            context["expires_at_ms"] = json!(expires_at_ms);
            context["lease_lost"] = json!(loss.is_some());
        }
        context["reservation_ids"] = json!(stream.reservation_ids());
        context["used"] = json!(stream.used());
        context["held"] = json!(stream.held());
        context["is_cut"] = json!(stream.is_cut());
        context["is_settled"] = json!(stream.is_settled());
        context
    }

    /// This stream, for the calls inside it; `None` once it has settled.
    #[must_use]
    pub fn as_parent(&self) -> Option<Parent> {
        (!self.stream.is_settled()).then(|| self.stream.as_parent())
    }

    /// Whether more output may flow, after `usage`. Ask before each piece.
    pub async fn proceed(&self, usage: UsageDocument) -> FlowDocument {
        self.count(usage);
        self.stream.next().await.into()
    }

    /// Completes when a lease is lost and the `heartbeat_policy` is `cancel`, with
    /// why: a wait for the next piece is to be given up, and the stream is cut.
    /// Never completes otherwise, and keeps no stream alive.
    pub fn lost(&self) -> impl Future<Output = ErrorReport> + Send + use<> {
        let lost = self.stream.lost();
        async move { (&lost.await).into() }
    }

    /// Whether a lost lease cuts it (`heartbeat_policy` is `cancel`): race the
    /// wait for each piece against [`lost`](Self::lost).
    #[must_use]
    pub fn cancels(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.cancels)
    }

    /// The stream has ended: commits `usage`, the estimate where it does not say
    /// what it cost, and gives the rest back.
    pub async fn finish(&self, usage: UsageDocument) -> SettlementDocument {
        self.count(usage);
        settled(self.stream.finish().await)
    }

    /// The stream has failed or is given up: commits `usage` where output was
    /// produced, and gives everything back where none was.
    pub async fn abort(&self, usage: UsageDocument, reason: Option<String>) -> SettlementDocument {
        self.count(usage);
        let reason = reason.unwrap_or_else(|| "stream failed".to_owned());
        settled(self.stream.abort(reason).await)
    }

    /// Notes `usage` for the case that the stream is dropped before it says more.
    pub fn count(&self, usage: UsageDocument) {
        if let Some(metadata) = usage.metadata.read() {
            self.stream.set_metadata(metadata);
        }
        let sensible = |member: Member<i64>| member.read().filter(|amount| *amount >= 0);
        self.stream.record(|so_far| {
            so_far.tokens_input = sensible(usage.tokens_input).unwrap_or(0);
            so_far.tokens_output = sensible(usage.tokens_output).unwrap_or(0);
            so_far.actual = sensible(usage.actual);
            so_far.cost = sensible(usage.cost);
            so_far.metrics = usage.metrics.read().unwrap_or_default();
        });
    }
}

fn settled(settlement: Option<Settlement>) -> SettlementDocument {
    settlement.map_or_else(|| SettlementDocument::new("already_settled"), Into::into)
}
