//! Creating keys, and telling whose key a secret is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cycles_protocol::control::{ApiKeyCreateRequest, ApiKeyCreateResponse, TenantStatus};
use cycles_protocol::strict::Validate;
use cycles_protocol::{Error, ErrorCode, Permission, Principal};

use crate::store::{ApiKey, KeyHash};
use crate::{Engine, ids, limits, time};
use cycles_protocol::ScopeFilter;

/// What the secret of every issued key starts with (semantics 2.13).
const SECRET_PREFIX: &str = "cyc_live_";
/// How much of a secret listings show (semantics 2.13).
const SHOWN_PREFIX: usize = 14;

impl Engine {
    pub(crate) fn authenticate_key(&self, key: &KeyHash) -> Result<Principal, Error> {
        let now = self.clock().now_ms();
        self.keys()
            .find(key)
            .filter(|key| key.expires_at.is_none_or(|expires_at| now <= expires_at))
            .map(|key| key.principal.clone())
            .ok_or_else(|| {
                Error::new(ErrorCode::Unauthorized, "the API key is missing, unknown or expired")
            })
    }

    pub(super) fn create_api_key_now(
        &self,
        request: ApiKeyCreateRequest,
    ) -> Result<ApiKeyCreateResponse, Error> {
        request.validate()?;
        let permissions = permissions(request.permissions.as_deref())?;
        let scope_filter = request.scope_filter.unwrap_or_default();
        ScopeFilter::new(&scope_filter).check()?;
        let tenant = self.find_tenant(&request.tenant_id).filter(|t| t.id == request.tenant_id);
        let tenant = tenant.ok_or_else(|| {
            Error::new(
                ErrorCode::InvalidRequest,
                format!("tenant does not exist tenant_id={}", request.tenant_id),
            )
        })?;
        let (state, now) = self.turn(&tenant)?;
        if state.record.status == TenantStatus::Closed {
            return Err(super::budgets::tenant_closed(&tenant.id));
        }
        drop(state);
        let expires_at = match &request.expires_at {
            Some(text) => time::parse("expires_at", text)?,
            None => now.saturating_add(limits::KEY_EXPIRY_MS),
        };
        if expires_at <= now {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "must be in the future field=expires_at",
            ));
        }
        let mut bytes = [0; 32];
        self.random().fill(&mut bytes);
        let secret = format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let key_id = format!("key_{}", ids::random(&**self.random()));
        let principal = Principal::Tenant {
            tenant_id: tenant.id.as_str().into(),
            key_id: key_id.as_str().into(),
            permissions: permissions.as_slice().into(),
            scope_filter: scope_filter.into(),
        };
        let key = ApiKey { principal, expires_at: Some(expires_at) };
        if !self.keys().insert(&secret, key) {
            return Err(Error::new(
                ErrorCode::InternalError,
                "randomness repeats itself; no fresh secret was found",
            ));
        }
        Ok(ApiKeyCreateResponse {
            key_id,
            key_prefix: secret[..SHOWN_PREFIX].to_owned(),
            key_secret: secret,
            tenant_id: tenant.id.clone(),
            permissions,
            created_at: time::iso(now),
            expires_at: time::iso(expires_at),
        })
    }
}

/// What a key may do.
///
/// # Errors
/// `INVALID_REQUEST` naming what no tenant's key may have (decision:
/// "Permissions": unknown strings are refused, and operators' ones too).
pub(super) fn permissions(names: Option<&[String]>) -> Result<Vec<Permission>, Error> {
    let Some(names) = names else { return Ok(Permission::DEFAULT.to_vec()) };
    names
        .iter()
        .map(|name| match Permission::parse(name) {
            Permission::Unknown if name.starts_with("admin:") => Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("a tenant's key cannot have an operator's permission permission={name:?}"),
            )),
            Permission::Unknown => Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("permission is not known permission={name:?}"),
            )),
            permission => Ok(permission),
        })
        .collect()
}
