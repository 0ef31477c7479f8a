//! Who may do what.

use cycles_protocol::scope::Level;
use cycles_protocol::{Error, ErrorCode, Permission, Principal, ScopeFilter, Subject};

use crate::store::Work;

/// A tenant's key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) tenant_id: &'a str,
    permissions: &'a [Permission],
    pub(crate) scope_filter: &'a [String],
}

/// Who may use an operation that operators may use too.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access<'a> {
    Admin,
    Tenant(Caller<'a>),
}

/// # Errors
/// `UNAUTHORIZED` for anyone but a tenant's key.
pub(crate) fn tenant(principal: &Principal) -> Result<Caller<'_>, Error> {
    match tenant_or_admin(principal)? {
        Access::Tenant(caller) => Ok(caller),
        Access::Admin => Err(Error::new(
            ErrorCode::Unauthorized,
            "this operation needs a tenant's key in X-Cycles-API-Key",
        )),
    }
}

/// # Errors
/// `UNAUTHORIZED` for nobody.
pub(crate) fn tenant_or_admin(principal: &Principal) -> Result<Access<'_>, Error> {
    match principal {
        Principal::Admin => Ok(Access::Admin),
        Principal::Tenant { tenant_id, permissions, scope_filter, .. } => {
            Ok(Access::Tenant(Caller { tenant_id, permissions, scope_filter }))
        }
        _ => Err(Error::new(ErrorCode::Unauthorized, "an API key is required")),
    }
}

impl Caller<'_> {
    /// # Errors
    /// `FORBIDDEN` naming the first of `any`, unless the key has one of them.
    pub(crate) fn require(&self, any: &[Permission]) -> Result<(), Error> {
        if any.iter().any(|permission| self.permissions.contains(permission)) {
            return Ok(());
        }
        let missing = any.first().map_or("", |permission| permission.as_str());
        Err(Error::new(
            ErrorCode::Forbidden,
            format!("the API key lacks a permission permission={missing}"),
        )
        .detail("permission", missing))
    }

    /// # Errors
    /// `FORBIDDEN` when the subject is another tenant's, or outside the key's
    /// scope filter.
    pub(crate) fn covers(&self, subject: &Subject) -> Result<(), Error> {
        self.is_tenant(subject.tenant.as_deref(), "subject.tenant")?;
        self.admits(|level| subject.get(level))
    }

    fn admits<'b>(&'b self, value_at: impl Fn(Level) -> Option<&'b str>) -> Result<(), Error> {
        if ScopeFilter::new(self.scope_filter).admits_levels(value_at, self.tenant_id) {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Forbidden,
            format!(
                "the API key's scope filter does not cover the subject scope_filter={}",
                self.scope_filter.join(",")
            ),
        ))
    }

    /// As [`covers`](Self::covers), for what a reservation of this tenant is for.
    pub(crate) fn covers_work(&self, work: &Work) -> Result<(), Error> {
        self.admits(|level| work.level(level))
    }

    /// # Errors
    /// `FORBIDDEN` when `tenant` names another tenant than the key's.
    pub(crate) fn is_tenant(&self, tenant: Option<&str>, field: &str) -> Result<(), Error> {
        match tenant {
            Some(tenant) if tenant != self.tenant_id => Err(Error::new(
                ErrorCode::Forbidden,
                format!("{field} is not the API key's tenant {field}={tenant}"),
            )),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// `FORBIDDEN` when the reservation is another tenant's.
    pub(crate) fn owns(&self, owner: &str) -> Result<(), Error> {
        if owner == self.tenant_id {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Forbidden, "the reservation belongs to another tenant"))
    }
}

/// An operator may act on every reservation; a tenant's key on its own.
impl Access<'_> {
    const fn tenant(&self) -> Option<&Caller<'_>> {
        match self {
            Self::Admin => None,
            Self::Tenant(caller) => Some(caller),
        }
    }

    pub(crate) fn require(&self, any: &[Permission]) -> Result<(), Error> {
        self.tenant().map_or(Ok(()), |caller| caller.require(any))
    }

    pub(crate) fn owns(&self, owner: &str) -> Result<(), Error> {
        self.tenant().map_or(Ok(()), |caller| caller.owns(owner))
    }

    pub(crate) fn covers_work(&self, work: &Work) -> Result<(), Error> {
        self.tenant().map_or(Ok(()), |caller| caller.covers_work(work))
    }
}
