//! [`Calendar`]: which period a moment lies in, as a pure function of the moment.

use cycles_protocol::control::PeriodLength;
use cycles_protocol::{Error, ErrorCode};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Divides time into periods.
#[derive(Debug, Clone)]
pub(crate) enum Calendar {
    /// By dates of a time zone.
    Dates(DateUnit, TimeZone),
    /// So many milliseconds each, from a moment on.
    Rolling {
        /// Where a period starts.
        anchor: i64,
        /// How long each is.
        length_ms: i64,
    },
}

/// A period of whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateUnit {
    Day,
    Week,
    Month,
}

/// One period: from its start to before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// Numbers rise by one from period to period.
    pub(crate) number: i64,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// A time zone by its IANA name.
///
/// # Errors
/// `INVALID_REQUEST` for a name that no zone has.
pub(crate) fn zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("no such time zone; write an IANA name, like Europe/Berlin field=time_zone time_zone={name:?}"),
        )
    })
}

impl DateUnit {
    pub(crate) const fn of(length: PeriodLength) -> Option<Self> {
        match length {
            PeriodLength::Day => Some(Self::Day),
            PeriodLength::Week => Some(Self::Week),
            PeriodLength::Month => Some(Self::Month),
            _ => None,
        }
    }

    /// The number of the period that has `day`, and its first day.
    fn containing(self, day: Date) -> (i64, Date) {
        let days = i64::from((day - date(1970, 1, 1)).get_days());
        match self {
            Self::Day => (days, day),
            Self::Week => {
                // 1970-01-01 was a Thursday.
                let number = (days + 3).div_euclid(7);
                let past_monday = (days + 3).rem_euclid(7);
                (number, day.saturating_sub(past_monday.days()))
            }
            Self::Month => {
                (i64::from(day.year()) * 12 + i64::from(day.month()), day.first_of_month())
            }
        }
    }

    fn after(self, first: Date) -> Date {
        match self {
            Self::Day => first.saturating_add(1.day()),
            Self::Week => first.saturating_add(1.week()),
            Self::Month => first.saturating_add(1.month()),
        }
    }
}

impl Calendar {
    /// The period that `now` lies in; none at the ends of the calendar.
    pub(crate) fn at(&self, now: i64) -> Option<Period> {
        match self {
            Self::Rolling { anchor, length_ms } => {
                let number = now.checked_sub(*anchor)?.div_euclid(*length_ms);
                let start = number.checked_mul(*length_ms)?.checked_add(*anchor)?;
                Some(Period { number, start, end: start.checked_add(*length_ms)? })
            }
            Self::Dates(unit, zone) => {
                let moment = Timestamp::from_millisecond(now).ok()?;
                let (number, first) = unit.containing(zone.to_datetime(moment).date());
                let midnight = |day: Date| {
                    // Where the clock skips midnight, the day starts right after.
                    let moment = zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
                    Some(moment.as_millisecond())
                };
                Some(Period { number, start: midnight(first)?, end: midnight(unit.after(first))? })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calendar(unit: DateUnit, name: &str) -> Calendar {
        Calendar::Dates(unit, zone(name).unwrap())
    }

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn months_and_weeks_start_at_local_midnight() {
        let berlin = calendar(DateUnit::Month, "Europe/Berlin").at(ms("2026-03-31T21:59:59Z"));
        let berlin = berlin.unwrap();
        // Winter time at the start, summer time at the end.
        assert_eq!(berlin.start, ms("2026-02-28T23:00:00Z"));
        assert_eq!(berlin.end, ms("2026-03-31T22:00:00Z"));
        let february = calendar(DateUnit::Month, "UTC").at(ms("2028-02-29T12:00:00Z")).unwrap();
        assert_eq!(february.end, ms("2028-03-01T00:00:00Z"));
        let week = calendar(DateUnit::Week, "UTC").at(ms("2026-11-25T22:00:00Z")).unwrap();
        assert_eq!(
            (week.start, week.end),
            (ms("2026-11-23T00:00:00Z"), ms("2026-11-30T00:00:00Z"))
        );
    }

    #[test]
    fn days_have_23_24_or_25_hours_and_a_skipped_midnight_starts_later() {
        let hours = |name, at| {
            let day = calendar(DateUnit::Day, name).at(ms(at)).unwrap();
            (day.end - day.start) / 3_600_000
        };
        assert_eq!(hours("America/New_York", "2026-03-08T12:00:00Z"), 23);
        assert_eq!(hours("America/New_York", "2026-11-01T12:00:00Z"), 25);
        assert_eq!(hours("America/New_York", "2026-11-02T12:00:00Z"), 24);
        // Clocks in São Paulo went from 23:59:59 to 01:00:00.
        let day = calendar(DateUnit::Day, "America/Sao_Paulo").at(ms("2018-11-04T12:00:00Z"));
        assert_eq!(day.unwrap().start, ms("2018-11-04T03:00:00Z"));
    }

    #[test]
    fn at_the_ends_of_the_calendar_there_is_no_period() {
        for now in [i64::MIN, i64::MAX] {
            assert_eq!(calendar(DateUnit::Month, "UTC").at(now), None);
            assert_eq!(Calendar::Rolling { anchor: 1, length_ms: 3_600_000 }.at(now), None);
        }
    }

    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Africa/Cairo",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
    ];

    fn calendars() -> impl Strategy<Value = Calendar> {
        let units = [DateUnit::Day, DateUnit::Week, DateUnit::Month];
        let dates = (prop::sample::select(units.to_vec()), prop::sample::select(ZONES.to_vec()))
            .prop_map(|(unit, name)| calendar(unit, name));
        let rolling = (0..2_000_000_000_000_i64, 3_600_000..400_000_000_000_i64)
            .prop_map(|(anchor, length_ms)| Calendar::Rolling { anchor, length_ms });
        prop_oneof![4 => dates, 1 => rolling]
    }

    proptest! {
        // 1970 to 2065, so that changes of clocks and leap days are met.
        #[test]
        fn periods_follow_each_other_without_gap_or_overlap(
            calendar in calendars(),
            now in 0..3_000_000_000_000_i64,
        ) {
            let period = calendar.at(now).unwrap();
            prop_assert!(period.start <= now && now < period.end);
            prop_assert_eq!(calendar.at(period.start).unwrap(), period);
            prop_assert_eq!(calendar.at(period.end - 1).unwrap(), period);
            let next = calendar.at(period.end).unwrap();
            prop_assert_eq!(next.start, period.end);
            prop_assert_eq!(next.number, period.number + 1);
        }
    }
}
