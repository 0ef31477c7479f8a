//! Answers with what came along in their headers.

use cycles_protocol::{Answer, Call, headers};

/// An answer and what its headers said. Over HTTP the ids are the server's; in
/// process they are the call's.
#[derive(Debug, Clone)]
pub struct ApiResponse<T> {
    /// The answer.
    pub data: T,
    /// Names the request in the server's logs.
    pub request_id: Option<String>,
    /// Requests left in the window; `None` where there is no limit.
    pub rate_limit_remaining: Option<u32>,
    /// When the window ends, Unix seconds.
    pub rate_limit_reset: Option<u64>,
    /// The tenant that the key belongs to.
    pub cycles_tenant: Option<String>,
    /// When the answer was made, Unix milliseconds, to the second.
    pub date_ms: Option<u64>,
    trace_id: Option<String>,
}

impl<T> ApiResponse<T> {
    pub(crate) fn new(answer: Answer<T>, call: &Call) -> Self {
        let Answer { value: data, http } = answer;
        let Some(http) = http else { return Self::local(data, call) };
        let header = |name: &str| {
            http.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        Self {
            request_id: header(headers::REQUEST_ID).map(str::to_owned),
            rate_limit_remaining: header(headers::RATE_LIMIT_REMAINING)
                .and_then(|left| left.parse().ok()),
            rate_limit_reset: header(headers::RATE_LIMIT_RESET).and_then(|at| at.parse().ok()),
            cycles_tenant: header(headers::TENANT).map(str::to_owned),
            date_ms: header("date").and_then(unix_ms),
            trace_id: header(headers::TRACE_ID).or(Some(&call.trace_id)).map(str::to_owned),
            data,
        }
    }

    fn local(data: T, call: &Call) -> Self {
        Self {
            data,
            request_id: Some(call.request_id.to_string()),
            rate_limit_remaining: None,
            rate_limit_reset: None,
            cycles_tenant: None,
            date_ms: None,
            trace_id: Some(call.trace_id.to_string()),
        }
    }

    /// The answer alone.
    pub fn into_inner(self) -> T {
        self.data
    }

    /// Names the logical operation, in the authority's events and logs too.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }
}

impl<T> std::ops::Deref for ApiResponse<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

fn unix_ms(date: &str) -> Option<u64> {
    let at = httpdate::parse_http_date(date).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use cycles_protocol::{HttpAnswer, SystemRandom};

    use super::*;

    #[test]
    fn headers_are_read_and_nonsense_is_absent() {
        let call = Call::new(&SystemRandom);
        let read = |pairs: &[(&str, &str)]| {
            let headers = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let http = Some(HttpAnswer { status: 200, headers, body: Vec::new() });
            ApiResponse::new(Answer { value: 7, http }, &call)
        };
        let answer = read(&[
            ("x-request-id", "req-1"),
            ("x-ratelimit-remaining", "12"),
            ("x-ratelimit-reset", "1800000000"),
            ("x-cycles-tenant", "acme"),
            ("x-cycles-trace-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ]);
        assert_eq!(answer.request_id.as_deref(), Some("req-1"));
        assert_eq!(
            (answer.rate_limit_remaining, answer.rate_limit_reset),
            (Some(12), Some(1_800_000_000))
        );
        assert_eq!(answer.cycles_tenant.as_deref(), Some("acme"));
        assert_eq!(answer.date_ms, Some(1_700_000_000_000));
        assert_eq!(answer.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!((*answer, answer.into_inner()), (7, 7));
        let none = read(&[("x-ratelimit-remaining", "-1"), ("date", "yesterday")]);
        assert_eq!((none.rate_limit_remaining, none.date_ms), (None, None));
        assert_eq!(none.trace_id(), Some(&*call.trace_id));
    }
}
