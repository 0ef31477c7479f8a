//! What an attempt to book a spend came to.

use cycles_protocol::{Error, ErrorCode, ErrorKind, Retry};

use crate::journal::Mode;
use crate::settlement::Settlement;

/// One try's result.
pub(crate) enum Tried {
    /// Booked, or refused for good.
    Settled(Settlement),
    /// No clear answer: to be tried again.
    Unclear(Error),
    /// Refused until somebody changes a key or a budget.
    Retained(Error),
}

pub(crate) fn is_expired(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused
        && (error.code() == ErrorCode::ReservationExpired || error.status() == Some(410))
}

/// Only a refusal by the authority that nobody can undo is final.
pub(crate) fn judge(error: Error, mode: Mode) -> Tried {
    match error.retry() {
        Retry::Never if error.kind() != ErrorKind::Refused || can_be_undone(&error, mode) => {
            Tried::Retained(error)
        }
        Retry::Never => Tried::Settled(Settlement::Refused(error)),
        _ => Tried::Unclear(error),
    }
}

/// A key can be replaced; a budget that refuses a debit can be funded or thawed.
fn can_be_undone(error: &Error, mode: Mode) -> bool {
    match error.code() {
        ErrorCode::Unauthorized | ErrorCode::Forbidden => true,
        ErrorCode::BudgetExceeded
        | ErrorCode::BudgetFrozen
        | ErrorCode::BudgetClosed
        | ErrorCode::OverdraftLimitExceeded
        | ErrorCode::DebtOutstanding => mode == Mode::Event,
        _ => matches!(error.status(), Some(401 | 403)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: ErrorCode, mode: Mode) -> &'static str {
        match judge(Error::new(code, "no"), mode) {
            Tried::Settled(_) => "final",
            Tried::Unclear(_) => "unclear",
            Tried::Retained(_) => "retained",
        }
    }

    #[test]
    fn only_refusals_that_nobody_can_undo_are_final() {
        use ErrorCode as E;
        for (code, commit, event) in [
            (E::ReservationFinalized, "final", "final"),
            (E::IdempotencyMismatch, "final", "final"),
            (E::InvalidRequest, "final", "final"),
            (E::NotFound, "final", "final"),
            (E::BudgetExceeded, "final", "retained"),
            (E::BudgetFrozen, "final", "retained"),
            (E::BudgetClosed, "final", "retained"),
            (E::OverdraftLimitExceeded, "final", "retained"),
            (E::DebtOutstanding, "final", "retained"),
            (E::Unauthorized, "retained", "retained"),
            (E::Forbidden, "retained", "retained"),
            (E::LimitExceeded, "unclear", "unclear"),
            (E::InternalError, "unclear", "unclear"),
            (E::Unknown, "unclear", "unclear"),
        ] {
            assert_eq!(
                (outcome(code, Mode::Commit), outcome(code, Mode::Event)),
                (commit, event),
                "{code}"
            );
        }
        assert!(matches!(judge(Error::config("base_url"), Mode::Commit), Tried::Retained(_)));
    }
}
