//! The query part of a request's address.

use cycles_protocol::{Error, ErrorCode};

/// All parameters, decoded, in order.
///
/// # Errors
/// `INVALID_REQUEST` when they are not UTF-8.
pub(crate) fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    let query = query.unwrap_or_default();
    // The parser would put U+FFFD for what is wrong, and look for something else.
    if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
        return Err(invalid("query is not UTF-8"));
    }
    Ok(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

/// The one value of a parameter; a blank one counts as absent.
///
/// # Errors
/// `INVALID_REQUEST` when it is there twice: which one is meant is anyone's guess.
pub(crate) fn optional<'a>(
    pairs: &'a [(String, String)],
    name: &str,
) -> Result<Option<&'a str>, Error> {
    let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (None | Some(""), None) => Ok(None),
        (value, None) => Ok(value),
        (_, Some(_)) => Err(invalid(&format!("sent more than once parameter={name}"))),
    }
}

/// The one value of a parameter that must be there.
///
/// # Errors
/// `INVALID_REQUEST` when it is absent or there twice.
pub(crate) fn required<'a>(pairs: &'a [(String, String)], name: &str) -> Result<&'a str, Error> {
    optional(pairs, name)?.ok_or_else(|| invalid(&format!("required parameter={name}")))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}
