use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
const NOW: Attempt = Attempt { sent: Duration::ZERO, received: Duration::ZERO };

fn lease(ttl: u64, timeout: u64) -> Schedule {
    Schedule::new(MS(ttl), extend_timeout(MS(timeout), MS(ttl)), NOW)
}

fn throttled(wait: Option<u64>) -> Error {
    let error = Error::new(ErrorCode::LimitExceeded, "slow down");
    wait.map_or(error.clone(), |ms| error.retry_after_hint(MS(ms)))
}

#[test]
fn the_next_extension_leaves_room_for_two_attempts_and_a_margin() {
    let next = lease(60_000, 7_000).granted(NOW, Some(60_000), 0);
    assert_eq!(next, Next::Extend(MS(60_000 - (2 * 2_000 + 1_000))));
}

#[test]
fn a_slow_answer_shrinks_the_lead_and_widens_the_margin() {
    let attempt = Attempt { sent: MS(0), received: MS(1_500) };
    let next = lease(60_000, 7_000).granted(attempt, Some(60_000), 0);
    // rtt 1,500: floor 58,500; margin 3,000; budget 3,000.
    assert_eq!(next, Next::Extend(MS(1_500 + 58_500 - 9_000)));
}

#[test]
fn a_lease_that_stays_too_short_is_given_one_immediate_try() {
    let mut lease = lease(1_000, 7_000);
    assert_eq!(lease.granted(NOW, Some(1_000), 0), Next::Extend(MS(0)));
    assert!(matches!(lease.granted(NOW, Some(1_000), 0), Next::Stop(_)));
}

#[test]
fn a_five_second_lease_is_kept() {
    assert_eq!(lease(5_000, 7_000).granted(NOW, Some(5_000), 0), Next::Extend(MS(2_000)));
}

#[test]
fn failures_repeat_with_the_same_key_while_a_retry_provably_fits() {
    let mut lease = lease(60_000, 7_000);
    lease.granted(NOW, Some(60_000), 0);
    let broken = Error::outcome_unknown(None, "connection broke");
    // At 55,000 the lead is 5,000 and the window 2,000: a quarter of the lead.
    assert_eq!(lease.failed(MS(55_000), &broken), Next::Repeat(MS(56_250)));
    assert_eq!(lease.failed(MS(56_250), &broken), Next::Repeat(MS(56_250) + MS(750)));
    assert_eq!(lease.failed(MS(57_000), &broken), Next::Repeat(MS(57_000)));
    assert!(matches!(lease.failed(MS(57_000), &broken), Next::Stop(_)));
}

#[test]
fn throttling_is_never_violated() {
    for (wait, fits) in [(Some(1_000), true), (Some(3_000), false), (None, false)] {
        let mut lease = lease(60_000, 7_000);
        lease.granted(NOW, Some(60_000), 0);
        let next = lease.failed(MS(55_000), &throttled(wait));
        assert_eq!(matches!(next, Next::Repeat(_)), fits, "{wait:?}");
    }
}

#[test]
fn permanent_conditions_stop() {
    for code in [
        ErrorCode::ReservationExpired,
        ErrorCode::ReservationFinalized,
        ErrorCode::MaxExtensionsExceeded,
        ErrorCode::TenantClosed,
        ErrorCode::NotFound,
        ErrorCode::Forbidden,
    ] {
        let mut lease = lease(60_000, 7_000);
        lease.granted(NOW, Some(60_000), 0);
        assert!(matches!(lease.failed(MS(1), &Error::new(code, "no")), Next::Stop(_)), "{code}");
    }
}

#[test]
fn without_the_field_the_first_extension_is_immediate_and_then_follows_grants() {
    let mut lease = lease(20_000, 7_000);
    assert_eq!(lease.granted(NOW, None, 100_000), Next::Extend(MS(0)));
    let second = Attempt { sent: MS(0), received: MS(10) };
    assert_eq!(lease.granted(second, None, 120_000), Next::Extend(MS(10_000)));
    let clamped = Attempt { sent: MS(10_000), received: MS(10_010) };
    assert_eq!(lease.granted(clamped, None, 130_000), Next::Extend(MS(20_000)));
}

#[test]
fn without_the_field_a_beat_is_skipped_where_enough_is_left() {
    let mut lease = lease(20_000, 7_000);
    lease.granted(NOW, None, 20_000);
    assert_eq!(lease.granted(NOW, None, 40_000), Next::Extend(MS(10_000)));
    // 40,000 granted, 10,000 gone: a beat and a half and more is left.
    let beat = Attempt { sent: MS(10_000), received: MS(10_000) };
    assert_eq!(lease.granted(beat, None, 60_000), Next::Extend(MS(30_000)));
}

#[test]
fn without_the_field_throttling_is_kept_to_all_the_same() {
    let mut lease = lease(20_000, 7_000);
    lease.granted(NOW, None, 20_000);
    assert_eq!(lease.failed(MS(1), &throttled(Some(9_000))), Next::Repeat(MS(9_001)));
    assert_eq!(lease.failed(MS(1), &throttled(None)), Next::Repeat(MS(2_501)));
}

/// How an authority that is simulated grants extensions.
#[derive(Debug, Clone, Copy)]
enum Grants {
    /// By what is asked for, from the expiry on.
    Added,
    /// At most one lease from now.
    Held,
}

/// Keeps a lease for ten of its lengths against an authority that answers after
/// `rtt` (half of it on the way there); answers the moment at which it was lost.
fn lost_at(ttl: u64, rtt: u64, tells: bool, grants: Grants, earliness: f64) -> Option<Duration> {
    let (ttl, half) = (MS(ttl), MS(rtt / 2));
    let mut expires = half + ttl;
    let mut attempt = Attempt { sent: MS(0), received: half * 2 };
    let mut schedule = Schedule::new(ttl, extend_timeout(MS(7_000), ttl), attempt);
    let mut applied = half;
    loop {
        let remaining = tells.then(|| whole_ms(expires.saturating_sub(applied)));
        let at = match schedule.granted(attempt, remaining, whole_ms(expires)) {
            Next::Extend(at) | Next::Repeat(at) => early(at, attempt.received, earliness),
            Next::Stop(_) => return Some(expires),
        };
        if at > ttl * 10 {
            return None;
        }
        assert!(at >= attempt.received, "never in the past");
        attempt = Attempt { sent: at, received: at + half * 2 };
        applied = at + half;
        if applied > expires {
            return Some(expires);
        }
        expires = match grants {
            Grants::Added => expires + ttl,
            Grants::Held => expires.max(applied + ttl),
        };
    }
}

fn whole_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

#[test]
fn leases_are_kept_for_ten_of_their_lengths() {
    for (ttl, rtts) in [
        // A second is the shortest that the spec lets an extension take, so that a
        // lease of less than three lives only on what its first extension adds.
        (2_000, &[0, 20, 200][..]),
        (5_000, &[0, 20, 200, 400]),
        (60_000, &[0, 20, 200, 2_000]),
    ] {
        for &rtt in rtts {
            for earliness in [0.0, 0.5, 1.0] {
                let lost = lost_at(ttl, rtt, true, Grants::Added, earliness);
                assert_eq!(lost, None, "told ttl={ttl} rtt={rtt} earliness={earliness}");
                let lost = lost_at(ttl, rtt, false, Grants::Added, earliness);
                assert_eq!(lost, None, "fallback ttl={ttl} rtt={rtt} earliness={earliness}");
            }
        }
    }
    for rtt in [0, 20, 200, 800] {
        assert_eq!(lost_at(1_000, rtt, false, Grants::Added, 0.5), None, "fallback rtt={rtt}");
    }
}

#[test]
fn a_held_lease_is_kept_where_its_length_is_told() {
    for (ttl, rtt) in [(5_000, 0), (5_000, 400), (60_000, 200), (60_000, 2_000)] {
        assert_eq!(lost_at(ttl, rtt, true, Grants::Held, 0.5), None, "ttl={ttl} rtt={rtt}");
        // Half a lease is the held cadence, so it is kept without being told too.
        assert_eq!(lost_at(ttl, rtt, false, Grants::Held, 0.5), None, "ttl={ttl} rtt={rtt}");
    }
}

#[test]
fn a_lease_of_a_second_is_given_up_as_the_spec_demands_where_its_length_is_told() {
    // spec: attempt_budget and safety_margin are at least 1,000 ms each.
    assert_eq!(lost_at(1_000, 20, true, Grants::Added, 0.0), Some(MS(10 + 2_000)));
}

proptest::proptest! {
    #[test]
    fn earliness_never_lengthens_a_delay_and_is_bounded(
        now in 0_u64..1_000_000, delay in 0_u64..1_000_000, fraction in -1.0_f64..2.0,
    ) {
        let (now, at) = (MS(now), MS(now + delay));
        let moved = early(at, now, fraction);
        proptest::prop_assert!(moved <= at && moved >= now);
        proptest::prop_assert!(at <= moved + MS(delay) / EARLINESS);
    }

    #[test]
    fn a_five_second_lease_lives_with_any_answer_within_half_a_second(
        rtt in 0_u64..500, earliness in 0.0_f64..1.0, tells: bool,
    ) {
        proptest::prop_assert_eq!(lost_at(5_000, rtt, tells, Grants::Added, earliness), None);
    }
}
