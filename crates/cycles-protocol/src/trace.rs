//! Which trace a call belongs to (spec: CORRELATION AND TRACING).

use std::sync::Arc;

use crate::effects::Random;

/// The trace id that the caller sent: `traceparent` first, then
/// `X-Cycles-Trace-Id`. A malformed header counts as absent.
#[must_use]
pub fn inbound(traceparent: Option<&str>, trace_id: Option<&str>) -> Option<String> {
    traceparent
        .and_then(parse_traceparent)
        .or_else(|| trace_id.filter(|id| is_trace_id(id)))
        .map(str::to_owned)
}

/// A fresh trace id: 16 random bytes, never all zero.
#[must_use]
pub fn fresh(random: &dyn Random) -> Arc<str> {
    let mut bytes = [0; 16];
    while bytes == [0; 16] {
        random.fill(&mut bytes);
    }
    let mut text = [0; 32];
    write_hex(&bytes, &mut text);
    ascii(&text).into()
}

/// A `traceparent` for `trace_id` with a fresh span, sampled.
#[must_use]
pub fn traceparent(trace_id: &str, random: &dyn Random) -> String {
    let mut span = [0; 8];
    random.fill(&mut span);
    span[7] |= 1; // all-zero is invalid
    ["00-", trace_id, "-", &hex(&span), "-01"].concat()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len() * 2];
    write_hex(bytes, &mut text);
    ascii(&text).to_owned()
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
}

fn ascii(text: &[u8]) -> &str {
    str::from_utf8(text).expect("digits are ASCII")
}

/// Arithmetic and not a table, so that many digits are made in one step.
const fn digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

fn parse_traceparent(value: &str) -> Option<&str> {
    let mut parts = value.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let valid = version == "00"
        && is_trace_id(trace)
        && is_hex(span, 16)
        && span.bytes().any(|b| b != b'0')
        && is_hex(flags, 2)
        && parts.next().is_none();
    valid.then_some(trace)
}

fn is_trace_id(value: &str) -> bool {
    is_hex(value, 32) && value.bytes().any(|b| b != b'0')
}

fn is_hex(value: &str, length: usize) -> bool {
    value.len() == length && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    const A: &str = "0af7651916cd43dd8448eb211c80319c";
    const B: &str = "1bf7651916cd43dd8448eb211c80319c";

    #[test]
    fn traceparent_wins() {
        let parent = format!("00-{A}-b7ad6b7169203331-01");
        assert_eq!(inbound(Some(&parent), Some(B)).as_deref(), Some(A));
    }

    #[test]
    fn malformed_counts_as_absent() {
        for parent in [
            "",
            "00",
            &format!("01-{A}-b7ad6b7169203331-01"),
            &format!("00-{A}-0000000000000000-01"),
        ] {
            assert_eq!(inbound(Some(parent), Some(B)).as_deref(), Some(B), "{parent}");
        }
        assert_eq!(inbound(None, Some(&A.to_uppercase())), None);
        assert_eq!(inbound(None, Some(&"0".repeat(32))), None);
    }
}
