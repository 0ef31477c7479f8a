//! What is booked and how that stands, as documents.

use cycles_protocol::{
    Amount, CommitResponse, CyclesMetrics, Error as Refusal, EventCreateResponse, JsonMap,
    ReleaseResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ErrorReport;
use crate::settlement::Settlement;

/// What to commit: `{actual, metrics, metadata}`, each of which may be left out.
///
/// The work has run, so its spend must be booked: reading never fails on a
/// member. One that makes no sense is dropped with a warning, and an actual that
/// makes none is replaced by the estimate.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CommitDocument {
    pub(super) actual: Member<Amount>,
    pub(super) metrics: Member<CyclesMetrics>,
    pub(super) metadata: Member<JsonMap>,
}

/// A member that may be missing or make no sense.
#[derive(Debug, Clone, Default)]
pub(super) enum Member<T> {
    #[default]
    Missing,
    Read(T),
    Unreadable,
}

impl<T> Member<T> {
    pub(super) fn read(self) -> Option<T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Missing | Self::Unreadable => None,
        }
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Member<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Self::Missing,
            value => serde_json::from_value(value).map_or_else(
                |error| {
                    tracing::warn!(%error, "a member of what is to be booked makes no sense and is dropped");
                    Self::Unreadable
                },
                Self::Read,
            ),
        })
    }
}

/// How a settlement stands, as a document. Settling never fails: the caller's
/// result is never lost.
#[derive(Debug, Clone, Serialize)]
pub struct SettlementDocument {
    /// `committed`, `inherited`, `released`, `recovered_via_event`, `queued`, `pending`,
    /// `refused`, `already_settled` or `nothing_to_settle`.
    pub outcome: &'static str,
    /// The authority's answer.
    pub response: Option<SettlementAnswer>,
    /// Why it is pending or was refused; where it is booked, that its lease was
    /// lost before, if the `heartbeat_policy` wants to hear of it.
    pub error: Option<ErrorReport>,
}

/// What the authority answered; written as it was.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum SettlementAnswer {
    /// Of a commit.
    Commit(CommitResponse),
    /// Nobody was asked: the outer call's hold pays.
    Inherited {
        /// What it pays.
        charged: Amount,
    },
    /// Of a release.
    Release(ReleaseResponse),
    /// Of the event in a commit's place.
    Event(EventCreateResponse),
}

impl SettlementDocument {
    pub(super) fn new(outcome: &'static str) -> Self {
        Self { outcome, response: None, error: None }
    }

    fn answered(outcome: &'static str, response: SettlementAnswer) -> Self {
        Self { outcome, response: Some(response), error: None }
    }

    fn failed(outcome: &'static str, error: &Refusal) -> Self {
        Self { outcome, response: None, error: Some(error.into()) }
    }
}

impl From<Settlement> for SettlementDocument {
    fn from(settlement: Settlement) -> Self {
        match settlement {
            Settlement::Committed(response) => {
                Self::answered("committed", SettlementAnswer::Commit(response))
            }
            Settlement::Inherited(charged) => {
                Self::answered("inherited", SettlementAnswer::Inherited { charged })
            }
            Settlement::Released(response) => {
                Self::answered("released", SettlementAnswer::Release(response))
            }
            Settlement::RecoveredViaEvent(response) => {
                Self::answered("recovered_via_event", SettlementAnswer::Event(response))
            }
            Settlement::Queued => Self::new("queued"),
            Settlement::Pending(error) => Self::failed("pending", &error),
            Settlement::Refused(error) => Self::failed("refused", &error),
        }
    }
}
