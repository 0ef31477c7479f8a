//! Reading a request's body: bounded in size and in time.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use cycles_protocol::limits::BODY_MAX;
use cycles_protocol::{Error, ErrorCode};
use http_body_util::BodyExt;

use crate::answer::http_refusal;
use crate::limits;

/// The whole body.
///
/// # Errors
/// `INVALID_REQUEST`: 415 for another media type than JSON, 400 when it is too
/// large or breaks off, 408 when it takes too long.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Error> {
    check_media_type(headers)?;
    // A socket's patience is real time, whatever clock the authority runs on.
    tokio::time::timeout(limits::BODY_READ, collect(headers, body)).await.unwrap_or_else(|_| {
        Err(http_refusal(
            StatusCode::REQUEST_TIMEOUT,
            &format!("the body took too long to arrive limit_s={}", limits::BODY_READ.as_secs()),
        ))
    })
}

// A missing content type is taken for JSON: that is all this API speaks.
fn check_media_type(headers: &HeaderMap) -> Result<(), Error> {
    let unsupported = |message| Err(http_refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| !is_json(value.as_bytes())) {
        return unsupported("body must be JSON; send Content-Type: application/json");
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            unsupported("compressed bodies are not read; send the body without Content-Encoding")
        }
        _ => Ok(()),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence == b"application/json"
        || (essence.starts_with(b"application/") && essence.ends_with(b"+json"))
}

async fn collect(headers: &HeaderMap, mut body: Body) -> Result<Vec<u8>, Error> {
    let announced = body.size_hint().lower();
    if announced > BODY_MAX as u64 {
        discard(headers, body, announced).await;
        return Err(too_large());
    }
    let announced = usize::try_from(announced).unwrap_or(BODY_MAX);
    let mut bytes = Vec::with_capacity(announced.min(limits::BODY_FIRST));
    while let Some(data) = next(&mut body).await? {
        if bytes.len() + data.len() > BODY_MAX {
            discard(headers, body, 0).await;
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Error::new(ErrorCode::InvalidRequest, "the body broke off before its end")
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads on for a while, so that the client, still writing, sees the refusal.
/// One that asked first (`Expect: 100-continue`) is not writing yet.
async fn discard(headers: &HeaderMap, mut body: Body, announced: u64) {
    if announced > limits::BODY_DISCARD || headers.contains_key(header::EXPECT) {
        return;
    }
    let mut left = limits::BODY_DISCARD;
    while let Ok(Some(data)) = next(&mut body).await {
        let Some(rest) = left.checked_sub(data.len() as u64) else { return };
        left = rest;
    }
}

fn too_large() -> Error {
    Error::new(ErrorCode::InvalidRequest, format!("request body is too large max_bytes={BODY_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_several_names() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/a+json"] {
            assert!(is_json(yes.as_bytes()), "{yes}");
        }
        for no in ["", "text/json", "application/x-www-form-urlencoded", "application/jsonp"] {
            assert!(!is_json(no.as_bytes()), "{no}");
        }
    }
}
