//! `cycles budget list`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use cycles_protocol::Unit;
use cycles_protocol::control::BudgetSortKey;

use super::{PATH, table};
use crate::command::pages;
use crate::failure::Failure;
use crate::money;
use crate::output::Format;
use crate::remote::{As, Remote};

/// Which budgets, and in which order.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Whose.
    #[arg(long)]
    tenant: Option<String>,
    /// This scope and everything below it.
    #[arg(long, value_name = "SCOPE")]
    scope_prefix: Option<String>,
    /// In this unit.
    #[arg(long, value_parser = money::parse_unit)]
    unit: Option<Unit>,
    /// Where they stand: ACTIVE, FROZEN or CLOSED.
    #[arg(long)]
    status: Option<String>,
    /// Only those that owe something.
    #[arg(long)]
    has_debt: bool,
    /// Only those of which at least this share is spent, like 0.8.
    #[arg(long, value_name = "SHARE")]
    utilization_min: Option<String>,
    /// Only those of which at most this share is spent.
    #[arg(long, value_name = "SHARE")]
    utilization_max: Option<String>,
    /// By what to sort, the largest first; by scope unless given.
    #[arg(long, value_name = "KEY", value_parser = sort_keys())]
    sort_by: Option<String>,
    /// The smallest first.
    #[arg(long, requires = "sort_by")]
    ascending: bool,
}

impl List {
    pub(super) async fn run(self, remote: &Remote, format: Format) -> Result<(), Failure> {
        let query = [
            ("tenant_id", self.tenant),
            ("scope_prefix", self.scope_prefix),
            ("unit", self.unit.map(|unit| unit.to_string())),
            ("status", self.status.map(|status| status.to_ascii_uppercase())),
            ("has_debt", self.has_debt.then(|| "true".to_owned())),
            ("utilization_min", self.utilization_min),
            ("utilization_max", self.utilization_max),
            ("sort_by", self.sort_by),
            ("sort_dir", self.ascending.then(|| "asc".to_owned())),
        ];
        let all = pages::all(remote, PATH, &query, "ledgers", As::Either).await?;
        format.write(&all, |budgets| table(budgets))
    }
}

fn sort_keys() -> PossibleValuesParser {
    BudgetSortKey::ALL.iter().map(|key| key.as_str()).into()
}
