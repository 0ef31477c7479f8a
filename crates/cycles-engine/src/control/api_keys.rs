//! Creating keys, and telling whose key a secret is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cycles_protocol::control::{
    self, ApiKeyCreateRequest, ApiKeyCreateResponse, ApiKeyStatus, TenantStatus,
};
use cycles_protocol::strict::{self, Validate};
use cycles_protocol::{Error, ErrorCode, Permission, Principal};

use crate::durable::Change;
use crate::store::{ApiKey, KeyHash};
use crate::{Engine, ids, limits, time};
use cycles_protocol::ScopeFilter;

/// What the secret of every issued key starts with (semantics 2.13).
const SECRET_PREFIX: &str = "cyc_live_";
/// How much of a secret listings show (semantics 2.13).
pub(super) const SHOWN_PREFIX: usize = 14;

impl Engine {
    pub(crate) fn authenticate_key(&self, key: &KeyHash) -> Result<Arc<ApiKey>, Error> {
        // Most keys do not expire, and need no clock.
        let is_active = |key: &Arc<ApiKey>| {
            let now = key.expires_at.map_or(i64::MIN, |_| self.clock().now_ms());
            key.status(now) == ApiKeyStatus::Active
        };
        self.keys().find(key).filter(is_active).ok_or_else(|| {
            Error::new(
                ErrorCode::Unauthorized,
                "the API key is missing, unknown, revoked or expired",
            )
        })
    }

    /// Adds a key; `false` when the secret is taken.
    pub(super) fn add_key(&self, secret: &str, key: &ApiKey) -> bool {
        let hash = KeyHash::of(secret);
        if !self.keys().insert(hash.clone(), key.clone()) {
            return false;
        }
        if let Principal::Tenant { tenant_id, .. } = &key.principal {
            self.keep(tenant_id, || Change::Key(hash, Box::new(key.clone())));
        }
        true
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
        // Held to the end: the tenant is not closed meanwhile.
        let (state, now) = self.turn(&tenant)?;
        if state.record.status == TenantStatus::Closed {
            return Err(super::budgets::tenant_closed(&tenant.id));
        }
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
            scope_filter: scope_filter.as_slice().into(),
        };
        let record = control::ApiKey {
            key_id: key_id.clone(),
            tenant_id: tenant.id.clone(),
            key_prefix: secret[..SHOWN_PREFIX].to_owned(),
            name: Some(request.name),
            description: request.description,
            status: ApiKeyStatus::Active,
            permissions: permissions.clone(),
            scope_filter,
            created_at: time::iso(now),
            expires_at: time::iso(expires_at),
            revoked_at: None,
            revoked_reason: None,
            metadata: request.metadata,
        };
        let key = ApiKey { principal, expires_at: Some(expires_at), record };
        if !self.add_key(&secret, &key) {
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

impl ApiKey {
    /// Where it stands at `now`.
    pub(super) fn status(&self, now: i64) -> ApiKeyStatus {
        match self.expires_at {
            Some(expires_at) if self.record.status == ApiKeyStatus::Active && now > expires_at => {
                ApiKeyStatus::Expired
            }
            _ => self.record.status,
        }
    }

    /// As listings show it at `now`.
    pub(super) fn shown(&self, now: i64) -> control::ApiKey {
        control::ApiKey { status: self.status(now), ..self.record.clone() }
    }
}

impl Engine {
    pub(super) fn revoke_api_key_now(
        &self,
        key_id: &str,
        reason: Option<&str>,
    ) -> Result<control::ApiKey, Error> {
        strict::length("reason", reason, 0, 512)?;
        let missing = || Error::new(ErrorCode::NotFound, format!("key not found key_id={key_id}"));
        let tenant = self.keys().tenant_of(key_id).ok_or_else(missing)?;
        let tenant = self.tenant(&tenant)?;
        // Held to the end: the tenant is not closed meanwhile.
        let (state, now) = self.turn(&tenant)?;
        if state.record.status == TenantStatus::Closed {
            return Err(super::budgets::tenant_closed(&tenant.id));
        }
        let revoke = |key: &mut ApiKey| {
            if key.record.status == ApiKeyStatus::Revoked {
                return Err(already_revoked(key_id));
            }
            key.record.status = ApiKeyStatus::Revoked;
            key.record.revoked_at = Some(time::iso(now));
            key.record.revoked_reason = reason.map(str::to_owned);
            Ok(())
        };
        let key = self.keys().change(key_id, revoke)?;
        if let Some(key) = &key {
            self.keep(&key.record.tenant_id, || Change::KeyRecord(Box::new(key.record.clone())));
        }
        key.map(|key| key.shown(now)).ok_or_else(missing)
    }
}

/// governance spec: `revokeApiKey` answers 409, where the code's own status is 400.
fn already_revoked(key_id: &str) -> Error {
    let message = format!("the key is revoked already key_id={key_id}");
    let error = Error::new(ErrorCode::InvalidRequest, message);
    Error::from_response(409, error.to_response("", ""), None)
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
