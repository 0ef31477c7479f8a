//! Opaque cursors: base64url JSON, bound to what they page through.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cycles_protocol::canonical;
use cycles_protocol::trace::hex;
use cycles_protocol::{Error, ErrorCode, limits as wire};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits;

/// Writes a cursor.
pub(crate) fn write(cursor: &impl Serialize) -> Option<String> {
    serde_json::to_vec(cursor).ok().map(|json| URL_SAFE_NO_PAD.encode(json))
}

/// Reads a cursor; one for other filters is `bound` to them and refused.
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    bound: impl FnOnce(&T) -> bool,
) -> Result<T, Error> {
    (text.len() <= limits::CURSOR_MAX)
        .then(|| URL_SAFE_NO_PAD.decode(text).ok())
        .flatten()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .filter(bound)
        .ok_or_else(|| {
            Error::new(
                ErrorCode::InvalidRequest,
                "cursor does not belong to these filters and sort order; start again without it parameter=cursor",
            )
        })
}

/// Names what a cursor pages through (semantics 2.18: 8 bytes of a hash).
pub(crate) fn fingerprint(filters: &impl Serialize) -> String {
    hex(&canonical::payload_hash(filters)[..8])
}

/// The page size to answer.
pub(crate) fn page(limit: Option<usize>) -> Result<usize, Error> {
    let limit = limit.unwrap_or(wire::PAGE_DEFAULT);
    if wire::PAGE.contains(&limit) {
        return Ok(limit);
    }
    Err(Error::new(
        ErrorCode::InvalidRequest,
        format!("must be {} to {} parameter=limit", wire::PAGE.start(), wire::PAGE.end()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_own_cursor_is_read() {
        let text = write(&("a", 7)).unwrap();
        assert_eq!(read::<(String, i32)>(&text, |_| true).unwrap(), ("a".to_owned(), 7));
        assert!(read::<(String, i32)>(&text, |cursor| cursor.1 == 8).is_err());
        for bad in ["", "%", "bm90IGpzb24", &"A".repeat(limits::CURSOR_MAX + 1)] {
            assert!(read::<(String, i32)>(bad, |_| true).is_err(), "{bad}");
        }
    }
}
