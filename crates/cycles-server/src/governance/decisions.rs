//! Why something was decided: an extension, under a path of its own.

use axum::http::StatusCode;
use axum::response::Response;
use cycles_protocol::{Error, ErrorCode, Permission, Principal};
use serde_json::json;

use super::{Exchange, access, invalid};
use crate::decisions::Wanted;
use crate::{answer, limits, query};

impl Exchange<'_> {
    pub(super) fn list_decisions(self) -> Result<Response, Error> {
        access::permission(&self.call.principal, Permission::ReservationsList)?;
        let pairs = query::pairs(self.parts.uri.query())?;
        let mut wanted = Wanted {
            tenant_id: query::optional(&pairs, "tenant_id")?,
            request_id: query::optional(&pairs, "request_id")?,
            reservation_id: query::optional(&pairs, "reservation_id")?,
            is_denied: match query::optional(&pairs, "denied")? {
                None | Some("false") => false,
                Some("true") => true,
                Some(_) => return Err(invalid("must be true or false parameter=denied".into())),
            },
        };
        // A tenant's key sees its own, and with a filter of scopes none: the
        // budgets above its scopes are not its business.
        if let Principal::Tenant { tenant_id, scope_filter, .. } = &self.call.principal {
            if !scope_filter.is_empty() {
                return Err(Error::new(
                    ErrorCode::Forbidden,
                    "the key's scope filter does not cover the tenant's decisions",
                ));
            }
            wanted.tenant_id = Some(tenant_id);
        }
        let decisions = self.app.decisions().ok_or_else(|| {
            Error::new(ErrorCode::NotFound, "this server keeps no record of its decisions")
        })?;
        let found = decisions.newest(&wanted, limits::DECISIONS_PAGE);
        Ok(answer::json(self.call, StatusCode::OK, &json!({"decisions": found})))
    }
}
