//! `cycles tenant`.

use clap::{Args, Subcommand};
use cycles_protocol::control::{self, TenantStatus, TenantUpdateRequest};
use cycles_protocol::limits;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, Table};
use crate::remote::{As, Remote, segment};
use crate::settings::Connection;

use super::budget::Overage;
use super::pages;

/// Tenants: whose budgets, keys and reservations they are.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Tenant {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLE: &str = "\
  cycles tenant create acme --name 'Acme Inc.'
  cycles tenant suspend acme                       no new work; what is in flight settles
  cycles tenant activate acme
  cycles tenant set acme --max-ttl-ms 600000
  cycles tenant close acme --for-good

Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 the server refused,
4 the server cannot be reached.";

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a tenant; one that is there under the same name is left alone.
    Create {
        /// Lower-case letters, digits and dashes, 3 to 64 of them.
        id: String,
        /// For people; the id unless given.
        #[arg(long)]
        name: Option<String>,
    },
    /// List tenants.
    List {
        /// Part of id or name.
        #[arg(long)]
        search: Option<String>,
    },
    /// Show one tenant, with its settings.
    Show {
        /// Which.
        id: String,
    },
    /// Refuse new work; what was granted settles.
    Suspend {
        /// Which.
        id: String,
    },
    /// Let new work start again.
    Activate {
        /// Which.
        id: String,
    },
    /// End a tenant: its open reservations are released, its budgets closed and its
    /// keys revoked, all at once. What it was can still be listed.
    Close {
        /// Which.
        id: String,
        /// Needed, since nothing opens it again.
        #[arg(long)]
        for_good: bool,
    },
    /// Change what a tenant says of its reservations; what is not given stays.
    Set(Set),
}

#[derive(Debug, Args)]
#[group(id = "settings", required = true, multiple = true)]
struct Settings {
    /// For people.
    #[arg(long)]
    name: Option<String>,
    /// What happens when work costs more than its reservation.
    #[arg(long, value_enum)]
    overage_policy: Option<Overage>,
    /// Lease where a request sets none, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(limits::TTL_MS))]
    default_ttl_ms: Option<i64>,
    /// Longest lease, in milliseconds; longer requests are cut to it.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(limits::TTL_MS))]
    max_ttl_ms: Option<i64>,
    /// Most extensions of one reservation.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    max_extensions: Option<i64>,
}

#[derive(Debug, Args)]
struct Set {
    /// Which.
    id: String,
    #[command(flatten)]
    settings: Settings,
}

const PATH: &str = "/v1/admin/tenants";

impl Tenant {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (remote, format) = (Remote::new(&self.connection)?, self.connection.format());
        match self.action {
            Action::Create { id, name } => {
                let body = json!({"tenant_id": id, "name": name.unwrap_or_else(|| id.clone())});
                let tenant: control::Tenant = remote.post(As::Operator, PATH, &[], &body).await?;
                format.write(&tenant, |tenant| table(std::slice::from_ref(tenant)))
            }
            Action::List { search } => {
                let query = [("search", search)];
                let tenants = pages::all(&remote, PATH, &query, "tenants", As::Operator).await?;
                format.write(&tenants, |tenants| table(tenants))
            }
            Action::Show { id } => {
                let tenant = remote.get(As::Operator, &place(&id), &[]).await?;
                format.write(&tenant, one)
            }
            Action::Suspend { id } => {
                to_status(&remote, format, &id, TenantStatus::Suspended).await
            }
            Action::Activate { id } => to_status(&remote, format, &id, TenantStatus::Active).await,
            Action::Close { id, for_good: true } => {
                to_status(&remote, format, &id, TenantStatus::Closed).await
            }
            Action::Close { id, for_good: false } => Err(Failure::Usage(format!(
                "closing releases all reservations of {id}, closes its budgets and revokes its keys, and nothing opens it again; add --for-good, or use cycles tenant suspend"
            ))),
            Action::Set(Set { id, settings }) => {
                change(&remote, format, &id, &settings.into()).await
            }
        }
    }
}

impl From<Settings> for TenantUpdateRequest {
    fn from(settings: Settings) -> Self {
        Self {
            name: settings.name,
            default_commit_overage_policy: settings.overage_policy.map(Into::into),
            default_reservation_ttl_ms: settings.default_ttl_ms,
            max_reservation_ttl_ms: settings.max_ttl_ms,
            max_reservation_extensions: settings.max_extensions,
            ..Self::default()
        }
    }
}

async fn to_status(
    remote: &Remote,
    format: Format,
    id: &str,
    status: TenantStatus,
) -> Result<(), Failure> {
    let body = TenantUpdateRequest { status: Some(status), ..TenantUpdateRequest::default() };
    change(remote, format, id, &body).await
}

async fn change(
    remote: &Remote,
    format: Format,
    id: &str,
    body: &TenantUpdateRequest,
) -> Result<(), Failure> {
    let tenant: control::Tenant = remote.patch(As::Operator, &place(id), body).await?;
    format.write(&tenant, one)
}

fn place(id: &str) -> String {
    format!("{PATH}/{}", segment(id))
}

fn table(tenants: &[control::Tenant]) -> String {
    let mut table = Table::new(&["TENANT", "NAME", "STATUS", "CREATED"]);
    for tenant in tenants {
        let status = tenant.status.to_string();
        table.row([
            tenant.tenant_id.clone(),
            tenant.name.clone(),
            status,
            tenant.created_at.clone(),
        ]);
    }
    table.render()
}

fn one(tenant: &control::Tenant) -> String {
    let mut table = Table::new(&["FIELD", "VALUE"]);
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([name.to_owned(), value]);
        }
    };
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    row("tenant", Some(tenant.tenant_id.clone()));
    row("name", Some(tenant.name.clone()));
    row("status", Some(tenant.status.to_string()));
    row("parent", tenant.parent_tenant_id.clone());
    row("overage policy", tenant.default_commit_overage_policy.map(|policy| policy.to_string()));
    row("default ttl ms", number(tenant.default_reservation_ttl_ms));
    row("max ttl ms", number(tenant.max_reservation_ttl_ms));
    row("max extensions", number(tenant.max_reservation_extensions));
    row("created", Some(tenant.created_at.clone()));
    row("updated", tenant.updated_at.clone());
    row("suspended", tenant.suspended_at.clone());
    row("closed", tenant.closed_at.clone());
    table.render()
}
