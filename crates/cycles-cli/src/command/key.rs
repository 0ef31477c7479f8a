//! `cycles key`.

use clap::{Args, Subcommand};
use cycles_protocol::control::{ApiKey, ApiKeyCreateRequest, ApiKeyCreateResponse};

use crate::failure::{EXIT_CODES, Failure};
use crate::output::Table;
use crate::remote::{As, Remote, segment};
use crate::settings::Connection;

use super::pages;

/// API keys: what agents send, and what it lets them do.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Key {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a key; this is the only time that its secret is shown.
    #[command(after_help = SECRET)]
    Create {
        /// Whose key.
        tenant: String,
        /// For people.
        #[arg(long, default_value = "default")]
        name: String,
        /// What it may do, like balances:read; repeat it. The usual set unless given.
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
        /// Where it works, like agent:bot or agent:*; repeat it. Everywhere unless given.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// When it stops working, like 2027-01-31T00:00:00Z; in 90 days unless given.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List keys, without their secrets.
    List {
        /// Whose keys.
        #[arg(long)]
        tenant: Option<String>,
        /// Where they stand: ACTIVE, REVOKED or EXPIRED.
        #[arg(long)]
        status: Option<String>,
    },
    /// Take a key back, for good.
    Revoke {
        /// As listed, like key_….
        key_id: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
}

const SECRET: &str = "\
With --json, the secret is in key_secret:

  export CYCLES_API_KEY=$(cycles key create acme --json | jq -r .key_secret)";

impl Key {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (remote, format) = (Remote::new(&self.connection)?, self.connection.format());
        let path = "/v1/admin/api-keys";
        match self.action {
            Action::Create { tenant, name, permissions, scopes, expires_at } => {
                let given = |list: Vec<String>| (!list.is_empty()).then_some(list);
                let body = ApiKeyCreateRequest {
                    tenant_id: tenant,
                    name,
                    permissions: given(permissions),
                    scope_filter: given(scopes),
                    expires_at,
                    ..ApiKeyCreateRequest::default()
                };
                let key: ApiKeyCreateResponse = remote.post(As::Operator, path, &[], &body).await?;
                format.write(&key, created)
            }
            Action::List { tenant, status } => {
                let status = status.map(|status| status.to_ascii_uppercase());
                let query = [("tenant_id", tenant), ("status", status)];
                let keys: Vec<ApiKey> =
                    pages::all(&remote, path, &query, "keys", As::Operator).await?;
                format.write(&keys, |keys| table(keys))
            }
            Action::Revoke { key_id, reason } => {
                let path = format!("{path}/{}", segment(&key_id));
                let query: Vec<_> = reason.map(|reason| ("reason", reason)).into_iter().collect();
                let key: ApiKey = remote.delete(As::Operator, &path, &query).await?;
                format.write(&key, |key| table(std::slice::from_ref(key)))
            }
        }
    }
}

fn created(key: &ApiKeyCreateResponse) -> String {
    format!(
        "{}\n\nkey_id:  {}\ntenant:  {}\nexpires: {}\n\nThis is the only time that the secret is shown:\n\n  export CYCLES_API_KEY={}\n",
        key.key_secret, key.key_id, key.tenant_id, key.expires_at, key.key_secret
    )
}

fn table(keys: &[ApiKey]) -> String {
    let mut table =
        Table::new(&["KEY ID", "TENANT", "NAME", "SECRET", "STATUS", "EXPIRES", "WHERE"]);
    for key in keys {
        let everywhere = key.scope_filter.is_empty();
        table.row([
            key.key_id.clone(),
            key.tenant_id.clone(),
            key.name.clone().unwrap_or_default(),
            format!("{}…", key.key_prefix),
            key.status.to_string(),
            key.expires_at.clone(),
            if everywhere { "everywhere".to_owned() } else { key.scope_filter.join(",") },
        ]);
    }
    table.render()
}
