//! Requests to a server, for what no client library does: provisioning, and
//! looking in as the operator.

use std::time::Duration;

use cycles_protocol::{Error, ErrorResponse, headers};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use runcycles::CyclesConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::settings::Connection;

/// A server, and who asks it.
#[derive(Debug)]
pub(crate) struct Remote {
    http: reqwest::Client,
    base_url: String,
    api_key: Option<String>,
    admin_key: Option<String>,
    timeout: Duration,
}

/// Whose key a request is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// The operator's.
    Operator,
    /// A tenant's.
    Tenant,
    /// The operator's where there is one, else a tenant's.
    Either,
    /// Nobody's.
    Anyone,
}

type Query<'a> = &'a [(&'a str, String)];

impl Remote {
    /// The server that `connection` names; nothing is sent yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self, Failure> {
        let timeout = Duration::from_millis(connection.read_timeout_ms);
        let mut config = CyclesConfig::new(&connection.base_url, "");
        config.connect_timeout = config.connect_timeout.min(timeout);
        let http = runcycles::http_client(&config, connection.ca_file.as_deref())
            .map_err(|error| Failure::Usage(error.message().to_owned()))?;
        let filled = |key: &Option<String>| key.clone().filter(|key| !key.is_empty());
        Ok(Self {
            http,
            base_url: connection.base_url.trim().trim_end_matches('/').to_owned(),
            api_key: filled(&connection.api_key),
            admin_key: filled(&connection.admin_key),
            timeout,
        })
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(crate) const fn has_admin_key(&self) -> bool {
        self.admin_key.is_some()
    }

    pub(crate) const fn has_api_key(&self) -> bool {
        self.api_key.is_some()
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        who: As,
        path: &str,
        query: Query<'_>,
    ) -> Result<T, Failure> {
        self.ask(who, Method::GET, path, query, None::<&()>).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        who: As,
        path: &str,
        query: Query<'_>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(who, Method::POST, path, query, Some(body)).await
    }

    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        who: As,
        path: &str,
        query: Query<'_>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(who, Method::PUT, path, query, Some(body)).await
    }

    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        who: As,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(who, Method::PATCH, path, &[], Some(body)).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(
        &self,
        who: As,
        path: &str,
        query: Query<'_>,
    ) -> Result<T, Failure> {
        self.ask(who, Method::DELETE, path, query, None::<&()>).await
    }

    /// What stands at a path that needs no key, as text.
    pub(crate) async fn text(&self, path: &str) -> Result<String, Failure> {
        let response = self.send(As::Anyone, Method::GET, path, &[], None::<&()>).await?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.broke(&error))?;
        if status.is_success() {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        Err(self.refused(status, &bytes, path))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        who: As,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let response = self.send(who, method, path, query, body).await?;
        let (status, request_id) = (response.status(), header(&response, headers::REQUEST_ID));
        let bytes = response.bytes().await.map_err(|error| self.broke(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Runtime(format!(
                    "the answer is not what this version expects: {error} path={path} request_id={request_id}"
                ))
            });
        }
        Err(self.refused(status, &bytes, path))
    }

    /// Sends a request and answers whatever comes back.
    pub(crate) async fn send(
        &self,
        who: As,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<Response, Failure> {
        let url = format!("{}{path}", self.base_url);
        let mut request = self.http.request(method, url).timeout(self.timeout).query(query);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.signed(request, who)?.send().await.map_err(|error| self.broke(&error))
    }

    fn signed(&self, request: RequestBuilder, who: As) -> Result<RequestBuilder, Failure> {
        let admin = self.admin_key.as_deref().map(|key| (headers::ADMIN_API_KEY, key));
        let tenant = self.api_key.as_deref().map(|key| (headers::API_KEY, key));
        let (key, missing) = match who {
            As::Anyone => return Ok(request),
            As::Operator => (
                admin,
                "the server's admin key is needed; set CYCLES_ADMIN_API_KEY (cycles serve writes the one it makes to stderr)",
            ),
            As::Tenant => (tenant, "a tenant's key is needed; set CYCLES_API_KEY"),
            As::Either => {
                (admin.or(tenant), "a key is needed; set CYCLES_ADMIN_API_KEY or CYCLES_API_KEY")
            }
        };
        let (name, key) = key.ok_or_else(|| Failure::Usage(missing.to_owned()))?;
        Ok(request.header(name, key))
    }

    fn broke(&self, error: &reqwest::Error) -> Failure {
        if error.is_builder() {
            return Failure::Usage(format!(
                "a request cannot be made of these settings; is a key copied with a line end? reason={}",
                cause(error)
            ));
        }
        let (what, advice) = if error.is_connect() {
            ("the server cannot be reached", "is it running? start one with: cycles serve")
        } else if error.is_timeout() {
            ("the server did not answer in time", "it may be busy; --read-timeout-ms waits longer")
        } else {
            ("the connection broke", "what was asked may have happened; look before you repeat it")
        };
        Failure::Unreachable(format!(
            "{what} base_url={} reason={}\nhint: {advice}",
            self.base_url,
            cause(error)
        ))
    }

    fn refused(&self, status: StatusCode, body: &[u8], path: &str) -> Failure {
        match serde_json::from_slice::<ErrorResponse>(body) {
            Ok(body) => {
                let error = Error::from_response(status.as_u16(), body, None);
                let advice = advice(status);
                Failure::Refused(Box::new(error), advice)
            }
            Err(_) => Failure::Runtime(format!(
                "this does not look like a Cycles server; check the base URL base_url={} path={path} status={}",
                self.base_url,
                status.as_u16()
            )),
        }
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "cycles doctor looks at the keys you have set",
        429 | 503 => "the server asks to try again later",
        _ => "",
    }
}

pub(crate) fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// One segment of a path, as it was typed.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
