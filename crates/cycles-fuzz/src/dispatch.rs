//! Streams of raw requests against one engine.

use arbitrary::{Arbitrary, Result, Unstructured};
use cycles_protocol::control::{BudgetLedger, BudgetRef};
use cycles_protocol::{
    Amount, Control, ErrorResponse, Operation, RawRequest, RawResponse, ReservationCreateResponse,
    ReservationId, ReservationListResponse, Unit,
};
use serde_json::{Value, json};

use crate::world::{ACME, FILTERED, GLOBEX, World};

/// Requests of one stream: beyond it a run says nothing new and takes long.
const STEPS_MAX: usize = 24;

/// Every budget of the world's seed.
const BUDGETS: [(&str, Unit); 6] = [
    ("tenant:acme", Unit::Tokens),
    ("tenant:acme/agent:a", Unit::Tokens),
    ("tenant:acme/agent:b", Unit::Tokens),
    ("tenant:acme/app:x/agent:a", Unit::Tokens),
    ("tenant:acme", Unit::UsdMicrocents),
    ("tenant:globex", Unit::Tokens),
];

/// After any stream of requests the books balance, the holds of a budget are
/// those of its open reservations, and what was refused, only asked or already
/// answered has changed nothing. No request makes the authority fail.
pub fn dispatch(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut stream = Stream { world: World::new(), ids: Vec::new() };
    for _ in 0..STEPS_MAX {
        // The bytes are used up; what they said was run.
        if input.is_empty() || stream.step(&mut input).is_err() {
            break;
        }
    }
}

struct Stream {
    world: World,
    ids: Vec<ReservationId>,
}

impl Stream {
    fn step(&mut self, input: &mut Unstructured) -> Result<()> {
        if input.ratio(1, 5)? {
            self.world.advance(input.int_in_range(1..=100_000)?);
        }
        let key = *input.choose(&[ACME, ACME, ACME, ACME, FILTERED, GLOBEX])?;
        let request = self.request(input)?;
        let before = self.books();
        let answer = self.world.send(key, request.clone());
        check_answer(&request, &answer);
        let after = self.books();
        if !answer.is_success() || !changes(&request) {
            assert_eq!(before, after, "{request:?} was answered {answer:?} and yet changed money");
        }
        self.balance(&after);
        if answer.is_success() && request.operation.has_body() {
            let again = self.world.send(key, request.clone());
            assert_eq!(again.status, answer.status, "a repeated {request:?}: {again:?}");
            assert_eq!(self.books(), after, "the repeated {request:?} changed money");
        }
        self.remember(&request, &answer);
        Ok(())
    }

    fn request(&self, input: &mut Unstructured) -> Result<RawRequest> {
        let operation = *input.choose(&Operation::ALL)?;
        let body = if operation.has_body() { body(operation, input)? } else { Vec::new() };
        let mut request = RawRequest::new(operation, body);
        if operation.names_reservation() || input.ratio(1, 16)? {
            request.reservation_id = self.id(input)?;
        }
        for _ in 0..input.int_in_range(0..=3)? {
            request.query.push(pair(input)?);
        }
        if input.ratio(1, 8)? {
            request.idempotency_header = Some(key(input)?);
        }
        Ok(request)
    }

    fn id(&self, input: &mut Unstructured) -> Result<Option<ReservationId>> {
        Ok(if self.ids.is_empty() || input.ratio(1, 16)? {
            Option::<&str>::arbitrary(input)?.map(ReservationId::from)
        } else {
            Some(input.choose(&self.ids)?.clone())
        })
    }

    fn remember(&mut self, request: &RawRequest, answer: &RawResponse) {
        if request.operation != Operation::CreateReservation || !answer.is_success() {
            return;
        }
        let made: ReservationCreateResponse =
            serde_json::from_slice(&answer.body).expect("a reservation was answered");
        self.ids.extend(made.reservation_id);
    }

    fn books(&self) -> Vec<BudgetLedger> {
        let read = |(scope, unit)| {
            let budget = BudgetRef::new(scope, unit).expect("its scope is canonical");
            self.world.engine.get_budget(&budget).expect("it is in the seed")
        };
        BUDGETS.into_iter().map(read).collect()
    }

    fn balance(&self, books: &[BudgetLedger]) {
        let holds = [self.holds(ACME), self.holds(GLOBEX)].concat();
        for book in books {
            let figures = [book.allocated, book.spent, book.reserved, book.debt];
            assert!(figures.iter().all(|figure| figure.amount >= 0), "{book:?}");
            let [allocated, spent, reserved, debt] =
                figures.map(|figure| i128::from(figure.amount));
            let remaining = i128::from(book.remaining.amount);
            assert_eq!(remaining, allocated - spent - reserved - debt, "{book:?}");
            assert!(debt <= i128::from(book.overdraft_limit.amount), "{book:?}");
            let held = |(scopes, amount): &(Vec<String>, Amount)| {
                let here = scopes.contains(&book.scope) && amount.unit == book.unit;
                if here { i128::from(amount.amount) } else { 0 }
            };
            assert_eq!(holds.iter().map(held).sum::<i128>(), reserved, "{book:?} {holds:?}");
        }
    }

    /// Scopes and amount of every open reservation; one page holds them all.
    fn holds(&self, key: &str) -> Vec<(Vec<String>, Amount)> {
        let query = [("status", "ACTIVE"), ("limit", "200")];
        let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = RawRequest::new(Operation::ListReservations, Vec::new());
        let answer = self.world.send(key, request.with_query(query.to_vec()));
        let page: ReservationListResponse =
            serde_json::from_slice(&answer.body).expect("a listing was answered");
        assert_ne!(page.has_more, Some(true));
        page.reservations.into_iter().map(|row| (row.affected_scopes, row.reserved)).collect()
    }
}

/// Whether the request may change money at all.
fn changes(request: &RawRequest) -> bool {
    let asks = |body: &[u8]| {
        serde_json::from_slice::<Value>(body).is_ok_and(|body| body["dry_run"] == true)
    };
    match request.operation {
        Operation::CreateReservation => !asks(&request.body),
        Operation::Commit | Operation::Release | Operation::CreateEvent => true,
        _ => false,
    }
}

fn check_answer(request: &RawRequest, answer: &RawResponse) {
    let body: Value = serde_json::from_slice(&answer.body).expect("answers are JSON");
    match answer.status {
        200 | 201 => {}
        400 | 403 | 404 | 409 | 410 => {
            let refusal: ErrorResponse =
                serde_json::from_value(body).expect("refusals have the spec's shape");
            assert!(!refusal.message.is_empty() && !refusal.request_id.is_empty());
        }
        status => panic!("{request:?} was answered {status} {body}"),
    }
}

fn key(input: &mut Unstructured) -> Result<String> {
    // Few keys, so that they are used again for other payloads.
    Ok(format!("k{}", input.int_in_range(0..=31_u8)?))
}

fn amount(input: &mut Unstructured) -> Result<Value> {
    let amount = match input.int_in_range(0..=7_u8)? {
        0 => i64::arbitrary(input)?,
        1 => i64::MAX - i64::from(u8::arbitrary(input)?),
        2 => i64::from(u32::arbitrary(input)?),
        _ => input.int_in_range(0..=400)?,
    };
    let unit = *input.choose(&["TOKENS", "TOKENS", "TOKENS", "USD_MICROCENTS", "CREDITS"])?;
    Ok(json!({"unit": unit, "amount": amount}))
}

fn subject(input: &mut Unstructured) -> Result<Value> {
    let mut subject = json!({"tenant": input.choose(&["acme", "acme", "acme", "ACME", "globex"])?});
    if bool::arbitrary(input)? {
        subject["agent"] = json!(input.choose(&["a", "b", "B", "c"])?);
    }
    if input.ratio(1, 3)? {
        subject["app"] = json!(input.choose(&["x", "y"])?);
    }
    if input.ratio(1, 8)? {
        subject["tenant"].take();
        if let Value::Object(levels) = &mut subject {
            levels.remove("tenant");
        }
    }
    Ok(subject)
}

fn body(operation: Operation, input: &mut Unstructured) -> Result<Vec<u8>> {
    if input.ratio(1, 16)? {
        return Ok(<&[u8]>::arbitrary(input)?.to_vec());
    }
    let mut body = json!({"idempotency_key": key(input)?});
    if matches!(
        operation,
        Operation::CreateReservation | Operation::Decide | Operation::CreateEvent
    ) {
        body["subject"] = subject(input)?;
        body["action"] = json!({"kind": "llm", "name": "m"});
    }
    match operation {
        Operation::Extend => body["extend_by_ms"] = json!(input.int_in_range(-1..=90_000_000_i64)?),
        Operation::Release => {}
        Operation::Commit | Operation::CreateEvent => body["actual"] = amount(input)?,
        _ => body["estimate"] = amount(input)?,
    }
    let create = operation == Operation::CreateReservation;
    if (create || operation == Operation::CreateEvent) && input.ratio(1, 2)? {
        let policies = ["REJECT", "ALLOW_IF_AVAILABLE", "ALLOW_WITH_OVERDRAFT"];
        body["overage_policy"] = json!(input.choose(&policies)?);
    }
    if create && input.ratio(1, 3)? {
        body["ttl_ms"] = json!(input.int_in_range(500..=100_000_i64)?);
        body["grace_period_ms"] = json!(input.int_in_range(0..=61_000_i64)?);
        body["dry_run"] = json!(input.ratio(1, 4)?);
    }
    if input.ratio(1, 8)? {
        body[input.choose(&["metadata", "reason", "client_time_ms", "surprise"])?] = (*input
            .choose(&[Value::Null, json!({}), json!("because"), json!(7), json!([[]])])?)
        .clone();
    }
    Ok(body.to_string().into_bytes())
}

fn pair(input: &mut Unstructured) -> Result<(String, String)> {
    let (name, value) = *input.choose(&[
        ("tenant", "acme"),
        ("tenant", "globex"),
        ("agent", "a"),
        ("status", "ACTIVE"),
        ("include_children", "true"),
        ("limit", "1"),
        ("sort_by", "reserved"),
        ("sort_dir", "asc"),
        ("include", "metadata,evidence"),
        ("from", "2027-01-15T08:00:00Z"),
        ("idempotency_key", "k1"),
    ])?;
    let value = if input.ratio(1, 4)? { <&str>::arbitrary(input)? } else { value };
    Ok((name.to_owned(), value.to_owned()))
}
