//! Whether a request is well formed; the bounds are the `OpenAPI` file's.

use cycles_protocol::scope::Level;
use cycles_protocol::{
    Action, Amount, CommitRequest, DecisionRequest, ErrorCode, EventCreateRequest, ExtendRequest,
    IdempotencyKey, ReleaseRequest, ReservationCreateRequest, Subject,
};

use super::no;
use crate::simulation::answer::Answer;

fn check(is_fine: bool) -> Result<(), Answer> {
    if is_fine { Ok(()) } else { Err(no(ErrorCode::InvalidRequest)) }
}

pub(super) fn create(request: &ReservationCreateRequest) -> Result<(), Answer> {
    check(key(&request.idempotency_key))?;
    check(subject(&request.subject))?;
    check(action(&request.action))?;
    check(amount(request.estimate))?;
    check(request.ttl_ms.is_none_or(|ttl| (1_000..=86_400_000).contains(&ttl)))?;
    check(request.grace_period_ms.is_none_or(|grace| (0..=60_000).contains(&grace)))
}

pub(super) fn decide(request: &DecisionRequest) -> Result<(), Answer> {
    check(key(&request.idempotency_key))?;
    check(subject(&request.subject))?;
    check(action(&request.action))?;
    check(amount(request.estimate))
}

pub(super) fn event(request: &EventCreateRequest) -> Result<(), Answer> {
    check(key(&request.idempotency_key))?;
    check(subject(&request.subject))?;
    check(action(&request.action))?;
    check(amount(request.actual))?;
    check(request.client_time_ms.is_none_or(|time| time >= 0))
}

pub(super) fn commit(request: &CommitRequest) -> Result<(), Answer> {
    check(key(&request.idempotency_key))?;
    check(amount(request.actual))
}

pub(super) fn release(request: &ReleaseRequest) -> Result<(), Answer> {
    check(key(&request.idempotency_key))?;
    check(request.reason.as_ref().is_none_or(|reason| reason.chars().count() <= 256))
}

pub(super) fn extend(request: &ExtendRequest) -> Result<(), Answer> {
    check(key(&request.idempotency_key))?;
    check((1..=86_400_000).contains(&request.extend_by_ms))
}

pub(super) fn page(limit: Option<usize>) -> Result<usize, Answer> {
    let limit = limit.unwrap_or(50);
    check((1..=200).contains(&limit))?;
    Ok(limit)
}

pub(super) fn funding(
    request_amount: Amount,
    reset: Option<Amount>,
    key_sent: Option<&IdempotencyKey>,
) -> Result<(), Answer> {
    check(amount(request_amount))?;
    check(reset.is_none_or(amount))?;
    check(key_sent.is_none_or(key))
}

fn key(key: &IdempotencyKey) -> bool {
    (1..=256).contains(&key.as_str().chars().count())
}

fn amount(amount: Amount) -> bool {
    amount.amount >= 0
}

fn action(action: &Action) -> bool {
    action.kind.chars().count() <= 64
        && action.name.chars().count() <= 256
        && action.tags.iter().flatten().count() <= 10
}

fn subject(subject: &Subject) -> bool {
    let legal = |value: &str| {
        (1..=128).contains(&value.chars().count())
            && value.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let values: Vec<_> = Level::ALL.into_iter().filter_map(|level| subject.get(level)).collect();
    !values.is_empty()
        && values.into_iter().all(legal)
        && subject.dimensions.iter().flatten().count() <= 16
}
