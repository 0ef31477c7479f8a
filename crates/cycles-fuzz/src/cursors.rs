//! Cursors of the two listings.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cycles_protocol::{Operation, RawRequest};
use serde_json::{Value, json};

use crate::world::{ACME, FILTERED, World};

/// Any text as a cursor is refused with 400, or answered with a page that
/// really follows in the listing: no row twice, none that the filter leaves out.
pub fn cursors(data: &[u8]) {
    // Bytes that end early ask for nothing.
    let _ = check(&mut Unstructured::new(data));
}

/// Only read, so one does for all runs.
static LISTED: LazyLock<World> = LazyLock::new(listed);

/// Reservations in every state, with equal and different sort values.
fn listed() -> World {
    let world = World::new();
    for number in 0..14 {
        let agent = ["a", "b", "c"][number % 3];
        let body = json!({
            "idempotency_key": format!("k{number}"),
            "subject": {"tenant": "acme", "agent": agent},
            "action": {"kind": "llm", "name": "m"},
            "estimate": {"unit": "TOKENS", "amount": 5 + number % 2},
            "ttl_ms": if number == 13 { 1_000 } else { 600_000 },
        });
        let made = send(&world, Operation::CreateReservation, None, &body);
        let id = made["reservation_id"].as_str().expect("it was granted").to_owned();
        let settle = json!({"idempotency_key": format!("s{number}")});
        match number % 4 {
            0 => drop(send(&world, Operation::Release, Some(&id), &settle)),
            1 => {
                let mut commit = settle;
                commit["actual"] = json!({"unit": "TOKENS", "amount": 3});
                send(&world, Operation::Commit, Some(&id), &commit);
            }
            _ => {}
        }
        if number % 5 == 0 {
            world.advance(10);
        }
    }
    world.advance(30_000);
    world
}

fn send(world: &World, operation: Operation, id: Option<&str>, body: &Value) -> Value {
    let mut request = RawRequest::new(operation, body.to_string().into_bytes());
    request.reservation_id = id.map(Into::into);
    let answer = world.send(ACME, request);
    assert!(answer.is_success(), "{answer:?}");
    serde_json::from_slice(&answer.body).expect("answers are JSON")
}

/// One listing and the field of an answer that holds its rows.
struct Listing {
    key: &'static str,
    operation: Operation,
    rows: &'static str,
    query: Vec<(String, String)>,
}

fn check(input: &mut Unstructured) -> Result<()> {
    let listing = Listing::arbitrary(input)?;
    let (all, _) = listing.page(200, None).expect("a listing without a cursor is answered");
    let limit = input.int_in_range(1..=5_usize)?;
    let genuine = listing.cursor(input, limit)?;
    let (cursor, place) = match (input.int_in_range(0..=3_u8)?, genuine) {
        (0, Some((cursor, place))) => (cursor, Some(place)),
        (1, Some((cursor, _))) => (mutate_text(cursor, input)?, None),
        (2, Some((cursor, _))) => (mutate_json(&cursor, input)?, None),
        _ => (<&str>::arbitrary(input)?.to_owned(), None),
    };
    let Some((page, next)) = listing.page(limit, Some(&cursor)) else {
        assert_eq!(place, None, "the authority refused its own cursor {cursor}");
        return Ok(());
    };
    assert!(page.len() <= limit, "{} rows on a page of {limit}", page.len());
    let from = match page.first() {
        Some(first) => all.iter().position(|row| row == first).expect("a row of the listing"),
        None => all.len(),
    };
    assert_eq!(page, all[from..all.len().min(from + limit)], "a page that does not follow");
    if let Some(place) = place {
        assert_eq!(from, place, "the cursor leads elsewhere");
    }
    listing.check_rest(next, &all[from + page.len()..], limit);
    Ok(())
}

impl Listing {
    fn arbitrary(input: &mut Unstructured) -> Result<Self> {
        let key = *input.choose(&[ACME, ACME, FILTERED])?;
        let mut query = vec![("tenant".to_owned(), "acme".to_owned())];
        let mut maybe = |name: &str, values: &[&str], input: &mut Unstructured| {
            if bool::arbitrary(input)? {
                query.push((name.to_owned(), (*input.choose(values)?).to_owned()));
            }
            Result::Ok(())
        };
        maybe("agent", &["a", "b", "c"], input)?;
        let (operation, rows) = if input.ratio(1, 4)? {
            maybe("include_children", &["true", "false"], input)?;
            (Operation::GetBalances, "balances")
        } else {
            maybe("sort_by", &SORT_KEYS, input)?;
            maybe("sort_dir", &["asc", "desc"], input)?;
            maybe("status", &["ACTIVE", "COMMITTED", "RELEASED", "EXPIRED"], input)?;
            (Operation::ListReservations, "reservations")
        };
        Ok(Self { key, operation, rows, query })
    }

    /// Rows and the next cursor, or nothing where the cursor was refused.
    fn page(&self, limit: usize, cursor: Option<&str>) -> Option<(Vec<Value>, Option<String>)> {
        let mut query = self.query.clone();
        query.push(("limit".to_owned(), limit.to_string()));
        query.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor.to_owned())));
        let request = RawRequest::new(self.operation, Vec::new()).with_query(query);
        let answer = LISTED.send(self.key, request);
        let mut page: Value = serde_json::from_slice(&answer.body).expect("answers are JSON");
        if answer.status == 400 {
            let message = page["message"].as_str().unwrap_or_default();
            assert!(message.contains("parameter=cursor"), "refused for another reason: {page}");
            return None;
        }
        assert_eq!(answer.status, 200, "{page}");
        let next = page["next_cursor"].as_str().map(str::to_owned);
        assert_eq!(page["has_more"], next.is_some(), "{page}");
        match page[self.rows].take() {
            Value::Array(rows) => Some((rows, next)),
            other => panic!("rows are {other}"),
        }
    }

    /// A cursor of this listing and the place where it leads.
    fn cursor(&self, input: &mut Unstructured, limit: usize) -> Result<Option<(String, usize)>> {
        let mut place = 0;
        let mut cursor = None;
        for _ in 0..input.int_in_range(1..=3)? {
            let answered = self.page(limit, cursor.as_deref());
            let (page, next) = answered.expect("the authority's own cursor is good");
            let Some(next) = next else { break };
            place += page.len();
            cursor = Some(next);
        }
        Ok(cursor.map(|cursor| (cursor, place)))
    }

    /// Following the cursors gives exactly `rest`.
    fn check_rest(&self, mut next: Option<String>, mut rest: &[Value], limit: usize) {
        while let Some(cursor) = next {
            let answered = self.page(limit, Some(&cursor));
            let (page, following) = answered.expect("the authority's own cursor is good");
            assert!(!page.is_empty() && rest.starts_with(&page), "a row twice, or one left out");
            rest = &rest[page.len()..];
            next = following;
        }
        assert!(rest.is_empty(), "the listing ends early");
    }
}

const SORT_KEYS: [&str; 7] = [
    "reservation_id",
    "tenant",
    "scope_path",
    "status",
    "reserved",
    "created_at_ms",
    "expires_at_ms",
];

fn mutate_text(cursor: String, input: &mut Unstructured) -> Result<String> {
    let mut bytes = cursor.into_bytes();
    for _ in 0..input.int_in_range(1..=4)? {
        let at = input.choose_index(bytes.len())?;
        bytes[at] = input.int_in_range(0..=127_u8)?;
    }
    if input.ratio(1, 4)? {
        bytes.truncate(input.choose_index(bytes.len())?);
    }
    Ok(String::from_utf8(bytes).expect("only ASCII was put in"))
}

/// Another value in one field, so that everything else of the cursor is right.
fn mutate_json(cursor: &str, input: &mut Unstructured) -> Result<String> {
    let json = URL_SAFE_NO_PAD.decode(cursor).expect("cursors are base64url");
    let mut value: Value = serde_json::from_slice(&json).expect("cursors are JSON");
    let names: Vec<String> = value.as_object().into_iter().flatten().map(|f| f.0.clone()).collect();
    let values = [
        json!(i64::arbitrary(input)?),
        json!(u64::MAX),
        json!(<&str>::arbitrary(input)?),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("ffffffff-ffff-ffff-ffff-ffffffffffff"),
        json!("CREDITS"),
        Value::Null,
        json!([]),
    ];
    value[input.choose(&names)?] = input.choose(&values)?.clone();
    Ok(URL_SAFE_NO_PAD.encode(value.to_string()))
}
