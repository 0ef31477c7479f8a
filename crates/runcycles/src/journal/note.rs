//! Notes of work that was allowed unseen and runs: its cost is not known, so
//! there is nothing to book yet, and no authority would miss it if the process
//! ended (`docs/adr/0007`).
//!
//! A note stands in the process's segment only. Its heir makes a `.lost` file of
//! it, for people: no SDK books an estimate for work whose cost is unknown.

use cycles_protocol::{ReservationCreateRequest, ReservationId};
use serde_json::json;

use super::identity;
use super::jobs::{Named, Written};
use super::writer::{Live, Writer};

const SUFFIX: &str = ".running";
/// The file of a note whose process is gone.
const LOST_SUFFIX: &str = ".lost";
/// Notes in a segment at once, so that there is room for records.
pub(super) const MAX_NOTES: usize = 256;

pub(crate) fn name(id: &ReservationId) -> String {
    format!("{id}{SUFFIX}")
}

pub(crate) fn is_note(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

pub(crate) fn lost_name(note: &str) -> String {
    format!("{}{LOST_SUFFIX}", note.trim_end_matches(SUFFIX))
}

/// The file of the record that the note's work ends in.
pub(crate) fn record_name(note: &str) -> String {
    identity::file_name(note.trim_end_matches(SUFFIX))
}

/// What a person needs to look into it.
pub(crate) fn text(id: &ReservationId, request: &ReservationCreateRequest, now_ms: i64) -> Vec<u8> {
    let text = json!({
        "unseen_id": id,
        "started_at_ms": now_ms,
        "subject": request.subject,
        "action": request.action,
        "estimate": request.estimate,
    });
    text.to_string().into_bytes()
}

impl Writer {
    /// Notes it in the segment, if there is one with room.
    pub(super) fn note(&mut self, note: Named) -> Written {
        if self.live.keys().filter(|name| is_note(name)).count() >= MAX_NOTES {
            return Err(format!("there are notes already limit={MAX_NOTES}"));
        }
        match self.append(&[&note], &[]) {
            Ok(true) => {
                let (bytes, since) = (note.bytes, self.clock.monotonic());
                self.live.insert(note.name, Live { bytes, since });
                Ok(())
            }
            Ok(false) => Err("there is no segment with room for it".to_owned()),
            Err(error) => Err(format!("segment cannot be written reason={error}")),
        }
    }
}
