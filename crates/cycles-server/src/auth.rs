//! Who calls: a tenant's key or the operator's.

use std::fmt;

use axum::http::HeaderMap;
use cycles_protocol::{Error, ErrorCode, Principal, headers};
use subtle::ConstantTimeEq;

use crate::app::AppState;

/// The operator's key. Without one, no admin key is ever accepted.
#[derive(Clone, Default)]
pub struct AdminKey(Option<String>);

impl AdminKey {
    /// A key; an empty one accepts nobody.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Some(secret.into()).filter(|secret| !secret.is_empty()))
    }

    /// No key: the governance plane answers tenants' keys only.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    fn secret(&self) -> Option<&str> {
        self.0.as_deref()
    }

    // Constant time: how much of a guess was right must not show.
    fn matches(&self, candidate: &str) -> bool {
        self.secret().is_some_and(|secret| secret.as_bytes().ct_eq(candidate.as_bytes()).into())
    }
}

impl From<&str> for AdminKey {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for AdminKey {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "AdminKey(set)" } else { "AdminKey(none)" })
    }
}

/// Which keys an endpoint takes (spec: `security` of each operation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// A tenant's key only; an admin key beside it is ignored.
    Tenant,
    /// The operator's key only.
    Admin,
    /// Either; the operator's wins.
    Either,
}

impl AppState {
    /// Checks the key that came with a request.
    ///
    /// # Errors
    /// `UNAUTHORIZED` when it is missing, wrong, or sent twice.
    pub(crate) fn authenticate(
        &self,
        accepts: Accepts,
        headers: &HeaderMap,
    ) -> Result<Principal, Error> {
        if accepts != Accepts::Tenant
            && let Some(key) = single(headers, headers::ADMIN_API_KEY)?
        {
            if self.admin_key().matches(key) {
                return Ok(Principal::Admin);
            }
            return Err(unauthorized("X-Admin-API-Key is not the server's admin key"));
        }
        if accepts != Accepts::Admin
            && let Some(key) = single(headers, headers::API_KEY)?
        {
            return self.control().authenticate(key);
        }
        Err(unauthorized(match accepts {
            Accepts::Tenant => "no key was sent; send a tenant's key as X-Cycles-API-Key",
            Accepts::Admin => "no admin key was sent; send the server's as X-Admin-API-Key",
            Accepts::Either => {
                "no key was sent; send a tenant's key as X-Cycles-API-Key or the server's as X-Admin-API-Key"
            }
        }))
    }
}

// Two values of one credential would let whatever stands in front of the
// server see another caller than the server does.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(""), None) => Ok(None),
        (Ok(value), None) => Ok(Some(value)),
        (Err(_), _) => Err(unauthorized(&format!("key has characters no key has header={name}"))),
        (_, Some(_)) => Err(unauthorized(&format!("key was sent more than once header={name}"))),
    }
}

fn unauthorized(message: &str) -> Error {
    Error::new(ErrorCode::Unauthorized, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_accepts_nobody() {
        assert!(!AdminKey::none().matches(""));
        assert!(!AdminKey::new("").matches(""));
        assert!(AdminKey::new("k").matches("k"));
        assert!(!AdminKey::new("k").matches("kk"));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert!(!format!("{:?}", AdminKey::new("hunter2")).contains("hunter2"));
    }
}
