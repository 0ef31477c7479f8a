//! Checks of single inputs, as the client makes them before anything is sent.

use cycles_protocol::{IntoMillis, Subject, limits};

use crate::error::Error;

/// Refuses a subject without any level.
///
/// # Errors
/// [`Error::Validation`].
pub fn validate_subject(subject: &Subject) -> Result<(), Error> {
    if subject.has_field() {
        return Ok(());
    }
    Err(Error::Validation(
        "subject must have at least one of tenant, workspace, app, workflow, agent, toolset field=subject"
            .to_owned(),
    ))
}

/// Refuses a lease outside of one second to one day.
///
/// # Errors
/// [`Error::Validation`].
pub fn validate_ttl_ms(ttl_ms: impl IntoMillis) -> Result<(), Error> {
    range("ttl_ms", ttl_ms.into_millis(), &limits::TTL_MS)
}

/// Refuses a grace period outside of zero to one minute.
///
/// # Errors
/// [`Error::Validation`].
pub fn validate_grace_period_ms(grace_period_ms: Option<impl IntoMillis>) -> Result<(), Error> {
    grace_period_ms
        .map_or(Ok(()), |ms| range("grace_period_ms", ms.into_millis(), &limits::GRACE_MS))
}

/// Refuses an extension outside of one millisecond to one day.
///
/// # Errors
/// [`Error::Validation`].
pub fn validate_extend_by_ms(extend_by_ms: impl IntoMillis) -> Result<(), Error> {
    range("extend_by_ms", extend_by_ms.into_millis(), &limits::EXTEND_BY_MS)
}

/// Refuses a negative number.
///
/// # Errors
/// [`Error::Validation`] naming `name`.
pub fn validate_non_negative(value: i64, name: &str) -> Result<(), Error> {
    range(name, value, &(0..=i64::MAX))
}

fn range(name: &str, value: i64, range: &std::ops::RangeInclusive<i64>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (start, end) = (range.start(), range.end());
    Err(Error::Validation(format!("must be {start} to {end} field={name} value={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        for (ttl, fits) in [(999, false), (1_000, true), (86_400_000, true), (86_400_001, false)] {
            assert_eq!(validate_ttl_ms(ttl).is_ok(), fits, "{ttl}");
        }
        for (grace, fits) in [(0, true), (60_000, true), (60_001, false)] {
            assert_eq!(validate_grace_period_ms(Some(grace)).is_ok(), fits, "{grace}");
        }
        for (by, fits) in [(0, false), (1, true), (86_400_000, true), (86_400_001, false)] {
            assert_eq!(validate_extend_by_ms(by).is_ok(), fits, "{by}");
        }
        assert!(validate_ttl_ms(u64::MAX).is_err());
        assert!(validate_grace_period_ms(None::<u64>).is_ok());
        assert!(validate_non_negative(0, "x").is_ok() && validate_non_negative(-1, "x").is_err());
    }
}
