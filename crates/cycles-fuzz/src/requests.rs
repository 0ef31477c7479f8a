//! Bodies of requests.

use std::fmt::{Debug, Write};

use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::{self, Validate};
use cycles_protocol::{
    Action, Amount, CommitRequest, CyclesMetrics, DecisionRequest, ErrorCode, EventCreateRequest,
    ExtendRequest, IdempotencyKey, ReleaseRequest, ReservationCreateRequest, Subject, Unit, limits,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Whatever the strict parser accepts as a request says exactly what the body
/// said, survives being written and read again with the same payload hash in
/// any order of members, and keeps the spec's limits.
pub fn requests(body: &[u8]) {
    accepts::<ReservationCreateRequest>(body);
    accepts::<CommitRequest>(body);
    accepts::<ReleaseRequest>(body);
    accepts::<ExtendRequest>(body);
    accepts::<DecisionRequest>(body);
    accepts::<EventCreateRequest>(body);
}

fn accepts<T>(body: &[u8])
where
    T: DeserializeOwned + Serialize + Validate + PartialEq + Debug + Within,
{
    let request: T = match strict::parse(body) {
        Ok(request) => request,
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
            return;
        }
    };
    assert!(request.within(), "accepted beyond a limit: {request:?}");
    let sent: Value = serde_json::from_slice(body).expect("accepted bodies are JSON");
    let read = serde_json::to_value(&request).expect("requests are plain JSON");
    assert_eq!(sent, read, "the body says something else than what was read");

    let hash = payload_hash(&request);
    let mut reversed = String::new();
    reverse(&read, &mut reversed);
    for text in [read.to_string(), reversed] {
        if text.len() <= limits::BODY_MAX {
            let again: T = strict::parse(text.as_bytes()).expect("what was accepted still is");
            assert_eq!(again, request, "{text}");
            assert_eq!(payload_hash(&again), hash, "{text}");
        }
    }
}

/// Writes the members of every object in the opposite order.
fn reverse(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            out.push('{');
            for (index, (name, field)) in fields.iter().rev().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                let _ = write!(out, "{comma}{} : ", Value::String(name.clone()));
                reverse(field, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                reverse(item, out);
            }
            out.push(']');
        }
        plain => {
            let _ = write!(out, "{plain}");
        }
    }
}

/// The limits of the spec, written down a second time: by its numbers.
trait Within {
    fn within(&self) -> bool;
}

fn key(key: &IdempotencyKey) -> bool {
    (1..=256).contains(&key.as_str().chars().count())
}

fn amount(amount: Amount) -> bool {
    amount.amount >= 0 && amount.unit != Unit::Unknown
}

fn subject(subject: &Subject) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let levels: Vec<_> = subject.levels().map(|(_, value)| value).collect();
    let dimensions = subject.dimensions.iter().flatten();
    !levels.is_empty()
        && levels.iter().all(|value| (1..=128).contains(&value.len()) && value.chars().all(legal))
        && dimensions.clone().count() <= 16
        && dimensions.map(|(_, value)| value.chars().count()).all(|count| count <= 256)
}

fn action(action: &Action) -> bool {
    let tags = action.tags.as_deref().unwrap_or_default();
    action.kind.chars().count() <= 64
        && action.name.chars().count() <= 256
        && tags.len() <= 10
        && tags.iter().all(|tag| tag.chars().count() <= 64)
}

fn metrics(metrics: Option<&CyclesMetrics>) -> bool {
    metrics.is_none_or(|metrics| {
        let numbers = [metrics.tokens_input, metrics.tokens_output, metrics.latency_ms];
        let version = metrics.model_version.as_deref().unwrap_or_default();
        numbers.into_iter().flatten().all(|number| number >= 0) && version.chars().count() <= 128
    })
}

impl Within for ReservationCreateRequest {
    fn within(&self) -> bool {
        key(&self.idempotency_key)
            && subject(&self.subject)
            && action(&self.action)
            && amount(self.estimate)
            && self.ttl_ms.is_none_or(|ttl| (1_000..=86_400_000).contains(&ttl))
            && self.grace_period_ms.is_none_or(|grace| (0..=60_000).contains(&grace))
    }
}

impl Within for CommitRequest {
    fn within(&self) -> bool {
        key(&self.idempotency_key) && amount(self.actual) && metrics(self.metrics.as_ref())
    }
}

impl Within for ReleaseRequest {
    fn within(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        key(&self.idempotency_key) && reason.chars().count() <= 256
    }
}

impl Within for ExtendRequest {
    fn within(&self) -> bool {
        key(&self.idempotency_key) && (1..=86_400_000).contains(&self.extend_by_ms)
    }
}

impl Within for DecisionRequest {
    fn within(&self) -> bool {
        key(&self.idempotency_key)
            && subject(&self.subject)
            && action(&self.action)
            && amount(self.estimate)
    }
}

impl Within for EventCreateRequest {
    fn within(&self) -> bool {
        key(&self.idempotency_key)
            && subject(&self.subject)
            && action(&self.action)
            && amount(self.actual)
            && metrics(self.metrics.as_ref())
    }
}
