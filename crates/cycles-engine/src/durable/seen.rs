//! What a call has seen of the ledger: the highest number among the changes of
//! the tenants whose turn it had. A call runs on one thread from its first turn
//! to its last, so the count is the thread's.

use std::cell::Cell;

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// Notes that the running call has seen everything up to `number`.
pub(crate) fn note(number: u64) {
    SEEN.set(SEEN.get().max(number));
}

/// Runs `call`, and says what it has seen.
pub(crate) fn by<T>(call: impl FnOnce() -> T) -> (T, u64) {
    SEEN.set(0);
    let outcome = call();
    (outcome, SEEN.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_seen_what_its_turns_have() {
        note(9);
        assert_eq!(by(|| 'a'), ('a', 0));
        let call = || {
            note(2);
            note(7);
            note(3);
        };
        assert_eq!(by(call).1, 7);
    }
}
