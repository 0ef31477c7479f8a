//! An actual that makes no sense. The work has run, so its spend must be booked
//! all the same.

use cycles_protocol::{Amount, CommitRequest, Error as Refusal, strict::Validate};

/// What to commit, and what was wrong with the request: an actual that no
/// authority would take is replaced by the estimate and marked in the metadata.
pub(crate) fn bookable(
    request: CommitRequest,
    estimate: Amount,
) -> (CommitRequest, Option<Refusal>) {
    let problem = match request.validate() {
        Err(error) => error.before_sending(),
        Ok(()) if request.actual.unit != estimate.unit => Refusal::invalid(format!(
            "actual must be in the estimate's unit field=actual.unit value={} estimate={}",
            request.actual.unit, estimate.unit
        )),
        Ok(()) => return (request, None),
    };
    (booked_at(estimate, request), Some(problem))
}

/// The estimate in place of the actual, without measurements, which may be what
/// is wrong.
pub(crate) fn booked_at(estimate: Amount, request: CommitRequest) -> CommitRequest {
    let mut metadata = request.metadata.unwrap_or_default();
    metadata.insert("actual_source".to_owned(), "estimate".into());
    CommitRequest::builder()
        .maybe_idempotency_key(Some(request.idempotency_key).filter(is_sendable))
        .actual(estimate)
        .metadata(metadata)
        .build()
}

fn is_sendable(key: &cycles_protocol::IdempotencyKey) -> bool {
    (1..=cycles_protocol::limits::IDEMPOTENCY_KEY_MAX).contains(&key.as_str().chars().count())
}

#[cfg(test)]
mod tests {
    use cycles_protocol::CyclesMetrics;

    use super::*;

    #[test]
    fn what_no_authority_would_take_is_booked_as_estimated() {
        let estimate = Amount::tokens(9);
        let commit = |actual| CommitRequest::builder().actual(actual).build();
        let metrics = CyclesMetrics { tokens_input: Some(-1), ..CyclesMetrics::default() };
        let measured = CommitRequest { metrics: Some(metrics), ..commit(Amount::tokens(5)) };
        let unnamed = CommitRequest { idempotency_key: "".into(), ..commit(Amount::tokens(5)) };
        for (request, says) in [
            (commit(Amount::tokens(-1)), "actual.amount"),
            (commit(Amount::usd_microcents(5)), "actual.unit"),
            (measured, "metrics.tokens_input"),
            (unnamed, "idempotency_key"),
        ] {
            let (booked, problem) = bookable(request, estimate);
            assert!(problem.unwrap().message().contains(says), "{says}");
            assert_eq!(booked.actual, estimate);
            assert!(booked.validate().is_ok());
            assert_eq!(booked.metadata.unwrap()["actual_source"], "estimate");
        }
        for actual in [0, 10, i64::MAX] {
            let (booked, problem) = bookable(commit(Amount::tokens(actual)), estimate);
            assert_eq!((booked.actual.amount, problem.is_some()), (actual, false));
        }
    }
}
