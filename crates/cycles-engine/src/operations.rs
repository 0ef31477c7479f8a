//! The nine runtime operations, one file each. Every one of them checks in the
//! order of semantics 2.2: who calls, the request's form, permission, the
//! reservation, its tenant, replay, and then what the ledger says.

mod balances;
mod commit;
mod create;
mod decide;
mod denial;
mod event;
mod extend;
mod get;
mod list;
mod release;

use cycles_protocol::{Caps, Decision};

use denial::Asked;

/// The decision on work that may go on; spec: caps stand with
/// `ALLOW_WITH_CAPS` and nowhere else.
const fn decision(caps: Option<&Caps>) -> Decision {
    if caps.is_some() { Decision::AllowWithCaps } else { Decision::Allow }
}
