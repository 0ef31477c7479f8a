//! What happened, as `cycles export` and `cycles reservation list --json` write it.

use cycles_protocol::{ReservationDetail, ReservationStatus};
use serde::Deserialize;
use serde_json::Value;

/// One reservation of the log.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) tenant_id: String,
    pub(super) reservation: ReservationDetail,
}

/// What a line may be.
#[derive(Deserialize)]
struct Line {
    tenant_id: String,
    reservation: ReservationDetail,
}

/// Reads a log, in the order of time.
///
/// # Errors
/// Names the line that is wrong, or says that there is no reservation.
pub(super) fn read(text: &str) -> Result<Vec<Work>, String> {
    let mut work = if text.trim_start().starts_with('[') { list(text) } else { lines(text) }?;
    if work.is_empty() {
        return Err("no reservation stands in the log; write one with: cycles export DIR, or cycles reservation list --json".to_owned());
    }
    work.sort_by_key(|work| work.reservation.created_at_ms);
    Ok(work)
}

fn list(text: &str) -> Result<Vec<Work>, String> {
    let rows: Vec<ReservationDetail> = serde_json::from_str(text)
        .map_err(|error| format!("is no list of reservations: {error}"))?;
    Ok(rows.into_iter().map(of_detail).collect())
}

fn lines(text: &str) -> Result<Vec<Work>, String> {
    let mut work = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |error: serde_json::Error| format!("line {}: {error}", index + 1);
        let value: Value = serde_json::from_str(line).map_err(wrong)?;
        match value["type"].as_str() {
            Some("reservation") => {
                let Line { tenant_id, reservation } =
                    serde_json::from_value(value).map_err(wrong)?;
                work.push(Work { tenant_id, reservation });
            }
            // An export has other lines too.
            Some(_) => {}
            None => work.push(of_detail(serde_json::from_value(value).map_err(wrong)?)),
        }
    }
    Ok(work)
}

/// The tenant stands first among the scopes, whatever the subject says.
fn of_detail(reservation: ReservationDetail) -> Work {
    let root = reservation.affected_scopes.first();
    let tenant = root.and_then(|root| cycles_protocol::scope::tenant(root));
    Work { tenant_id: tenant.unwrap_or_default().to_owned(), reservation }
}

impl Work {
    /// When it ended, and with what charge; none where it was left to expire.
    pub(super) fn end(&self) -> Option<(i64, Option<i64>)> {
        let at = self.reservation.finalized_at_ms?;
        match self.reservation.status {
            ReservationStatus::Committed => {
                Some((at, self.reservation.committed.map(|charged| charged.amount)))
            }
            ReservationStatus::Released => Some((at, None)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"reservation_id":"res_1","status":"COMMITTED","subject":{},"action":{"kind":"k","name":"n"},"reserved":{"unit":"TOKENS","amount":5},"committed":{"unit":"TOKENS","amount":4},"created_at_ms":2,"expires_at_ms":9,"finalized_at_ms":3,"scope_path":"tenant:acme","affected_scopes":["tenant:acme"]}"#;

    #[test]
    fn both_forms_are_read_and_what_is_wrong_is_named() {
        let exported = format!(
            "{{\"type\":\"tenant\"}}\n{{\"type\":\"reservation\",\"tenant_id\":\"acme\",\"reservation\":{ROW}}}\n"
        );
        for text in [exported, format!("[{ROW}]"), format!("{ROW}\n")] {
            let work = read(&text).unwrap();
            assert_eq!(
                (work.len(), &*work[0].tenant_id, work[0].end()),
                (1, "acme", Some((3, Some(4))))
            );
        }
        assert!(read("{}\n").unwrap_err().contains("line 1"));
        assert!(read("[1]").unwrap_err().contains("list of reservations"));
        assert!(read("\n").unwrap_err().contains("cycles export"));
    }
}
