//! Keys in requests in wire form.

use cycles_protocol::{IdempotencyKey, JsonMap, RawRequest};

/// Fills in the body's key, and mirrors it into the header.
pub(crate) fn ensure_key(request: &mut RawRequest) {
    // A body that is not an object is sent as it is: the authority says what is wrong.
    let Ok(mut body) = serde_json::from_slice::<JsonMap>(&request.body) else {
        return;
    };
    if !body.contains_key("idempotency_key") {
        let key = IdempotencyKey::random();
        body.insert("idempotency_key".to_owned(), key.as_str().into());
        if let Ok(bytes) = serde_json::to_vec(&body) {
            request.body = bytes;
        }
    }
    let key = body.get("idempotency_key").and_then(|key| key.as_str());
    if let (None, Some(key)) = (&request.idempotency_header, key) {
        request.idempotency_header = header_key(key);
    }
}

/// The key as a header; one that no header can carry is refused by the
/// authority with the body.
pub(crate) fn header_key(key: &str) -> Option<String> {
    key.bytes().all(|byte| (0x21..0x7f).contains(&byte)).then(|| key.to_owned())
}
