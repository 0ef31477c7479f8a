//! One unresolved settlement, as all SDKs write it.

use std::sync::Arc;

use cycles_protocol::ReservationId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::identity;

/// The only version there is.
const VERSION: u64 = 1;
/// Longer files are not records: bodies hold at most a few kilobytes of metadata.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// Where the spend is to be booked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// On the reservation.
    #[default]
    Commit,
    /// As a direct debit: the reservation has expired.
    Event,
}

/// A spend that is known and not booked for certain. Bodies are kept byte for
/// byte, with whatever members another SDK wrote: the authority compares a
/// repeat with what it saw first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u64,
    pub(crate) reservation_id: ReservationId,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) commit_body: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) event_fallback_body: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) recorded_at_ms: Option<i64>,
    /// The authority asked not to be asked again before; wall time.
    #[serde(default)]
    pub(crate) not_before_ms: Option<i64>,
    /// The standard one.
    #[serde(skip)]
    file_name: Arc<str>,
}

/// Every body has one; what makes repeats safe.
#[derive(Deserialize)]
struct Keyed {
    idempotency_key: String,
}

impl Record {
    /// A commit that is about to be sent for the first time.
    pub(crate) fn commit(
        reservation_id: ReservationId,
        base_url: &str,
        commit_body: Box<RawValue>,
        event_fallback_body: Box<RawValue>,
        now_ms: i64,
    ) -> Self {
        Self {
            version: VERSION,
            file_name: identity::file_name(reservation_id.as_str()).into(),
            reservation_id,
            base_url: Some(base_url.to_owned()),
            mode: Mode::Commit,
            commit_body: Some(commit_body),
            event_fallback_body: Some(event_fallback_body),
            recorded_at_ms: Some(now_ms),
            not_before_ms: None,
        }
    }

    /// Reads a file, or says what is wrong with it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("record is longer than {MAX_BYTES} bytes"));
        }
        let mut record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.version != VERSION {
            return Err(format!("record version is not known version={}", record.version));
        }
        if record.reservation_id.as_str().is_empty() {
            return Err("reservation_id is empty".to_owned());
        }
        for (name, body) in [
            ("commit_body", &record.commit_body),
            ("event_fallback_body", &record.event_fallback_body),
        ] {
            let Some(body) = body else { continue };
            key_of(body).map_err(|error| format!("{name} has no idempotency_key: {error}"))?;
        }
        if record.body().is_none() {
            return Err("the body that the mode needs is missing".to_owned());
        }
        record.file_name = identity::file_name(record.reservation_id.as_str()).into();
        Ok(record)
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        // All but the bodies is short.
        let bodies = [&self.commit_body, &self.event_fallback_body].into_iter().flatten();
        let length = bodies.map(|body| body.get().len()).sum::<usize>() + 512;
        let mut bytes = Vec::with_capacity(length);
        serde_json::to_writer(&mut bytes, self).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// What is to be sent in the present mode.
    pub(crate) fn body(&self) -> Option<&RawValue> {
        match self.mode {
            Mode::Commit => self.commit_body.as_deref(),
            Mode::Event => self.event_fallback_body.as_deref(),
        }
    }

    /// The standard name.
    pub(crate) fn file_name(&self) -> &str {
        &self.file_name
    }

    /// As [`file_name`](Self::file_name), for whoever keeps it.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.file_name)
    }
}

/// The idempotency key of a body.
pub(crate) fn key_of(body: &RawValue) -> Result<String, serde_json::Error> {
    serde_json::from_str::<Keyed>(body.get()).map(|body| body.idempotency_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FOREIGN: &str = r#"{"version":1,"reservation_id":"r:1","mode":"event",
        "event_fallback_body":{ "idempotency_key":"k", "later": 1.50e2, "unit":"PARSECS" }}"#;

    #[test]
    fn bodies_are_kept_byte_for_byte_and_optional_fields_are_optional() {
        let record = Record::read(FOREIGN.as_bytes()).unwrap();
        assert_eq!((record.recorded_at_ms, record.mode), (None, Mode::Event));
        let again = Record::read(&record.write().unwrap()).unwrap();
        let body = r#"{ "idempotency_key":"k", "later": 1.50e2, "unit":"PARSECS" }"#;
        assert_eq!(again.body().unwrap().get(), body);
    }

    #[test]
    fn what_cannot_be_replayed_is_named() {
        for (text, problem) in [
            ("", "EOF"),
            ("{\"version\":1", "EOF"),
            (
                r#"{"version":2,"reservation_id":"r","commit_body":{"idempotency_key":"k"}}"#,
                "version=2",
            ),
            (r#"{"version":1,"reservation_id":"","commit_body":{"idempotency_key":"k"}}"#, "empty"),
            (r#"{"version":1,"reservation_id":"r","commit_body":{}}"#, "idempotency_key"),
            (
                r#"{"version":1,"reservation_id":"r","mode":"event","commit_body":{"idempotency_key":"k"}}"#,
                "missing",
            ),
            (
                r#"{"version":1,"reservation_id":"r","mode":"later","commit_body":{"idempotency_key":"k"}}"#,
                "later",
            ),
        ] {
            let error = Record::read(text.as_bytes()).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::read(&bytes);
        }

        #[test]
        fn what_was_written_is_read(id in ".+", key in ".*", now: i64, floor: Option<i64>) {
            let body = serde_json::value::to_raw_value(&serde_json::json!({"idempotency_key": key})).unwrap();
            let mut record = Record::commit(ReservationId::new(id), "http://h", body.clone(), body, now);
            record.not_before_ms = floor;
            let read = Record::read(&record.write().unwrap()).unwrap();
            prop_assert_eq!(&read.reservation_id, &record.reservation_id);
            let body = |record: &Record| record.body().unwrap().get().to_owned();
            prop_assert_eq!(body(&read), body(&record));
            prop_assert_eq!((read.recorded_at_ms, read.not_before_ms), (Some(now), floor));
        }
    }
}
