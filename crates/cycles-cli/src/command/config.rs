//! `cycles config`.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory};
use serde::Serialize;

use crate::Arguments;
use crate::failure::Failure;
use crate::output::Table;
use crate::settings::{Connection, SettingsFile, by_alias, keys, shown};

/// Show every setting, its value, and where that comes from.
///
/// Flags win over the environment, that over the settings file, that over the
/// default. Keys are never shown, only that they are set.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Config {
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLE: &str = "\
A settings file (CYCLES_CONFIG=FILE, else ~/.config/cycles/config.yaml):

  base_url: https://cycles.example.com
  ca_file: /etc/ssl/company.pem
  serve:
    listen: 0.0.0.0:7878
    seed: /etc/cycles/seed.yaml";

/// One setting.
#[derive(Debug, Serialize)]
struct Row {
    key: String,
    value: Option<String>,
    origin: String,
    environment: Option<String>,
    flag: String,
}

impl Config {
    pub(crate) fn run(self, matches: &ArgMatches, file: &SettingsFile) -> Result<(), Failure> {
        let command = Arguments::command();
        let own = matches.subcommand().map_or(matches, |(_, own)| own);
        let rows: Vec<_> = keys(&command)
            .iter()
            .filter_map(|(section, key)| {
                let name = if section.is_empty() { "config" } else { section };
                let arg = argument(&command, name, key)?;
                Some(row(section, arg, own, file))
            })
            .collect();
        self.connection.format().write(&rows, |rows| render(rows, file))
    }
}

fn argument<'a>(command: &'a Command, subcommand: &str, key: &str) -> Option<&'a Arg> {
    command.find_subcommand(subcommand)?.get_arguments().find(|arg| arg.get_id() == key)
}

fn row(section: &str, arg: &Arg, own: &ArgMatches, file: &SettingsFile) -> Row {
    let key = arg.get_id().as_str();
    let mut variable = arg.get_env().and_then(|name| name.to_str()).map(str::to_owned);
    let flag = if section.is_empty() {
        own.value_source(key).is_some_and(|source| source == ValueSource::CommandLine)
    } else {
        false
    };
    let from_environment = variable.as_deref().and_then(|name| std::env::var(name).ok());
    let from_file = || file.get(section, key).map(str::to_owned);
    let default = || {
        let values: Vec<_> = arg.get_default_values().iter().filter_map(|v| v.to_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    };
    let (value, origin) = if flag {
        let raw = own.get_raw(key).and_then(|mut values| values.next());
        (raw.map(|value| value.to_string_lossy().into_owned()), "flag")
    } else if let Some(value) = from_environment {
        (Some(value), "environment")
    } else if let Some((name, value)) = by_alias(section, key) {
        variable = Some(name.to_owned());
        (Some(value), "environment")
    } else if let Some(value) = from_file() {
        (Some(value), "file")
    } else if let Some(value) = default() {
        (Some(value), "default")
    } else {
        (None, "unset")
    };
    // The only settings that must not be shown hide their values from --help too.
    let value =
        value.map(|value| if arg.is_hide_env_values_set() { "(set)".into() } else { value });
    Row {
        key: shown(section, key),
        value,
        origin: origin.to_owned(),
        environment: variable,
        flag: format!("--{}", arg.get_long().unwrap_or_default()),
    }
}

fn render(rows: &[Row], file: &SettingsFile) -> String {
    let mut table = Table::new(&["KEY", "VALUE", "ORIGIN", "ENVIRONMENT", "FLAG"]);
    for row in rows {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        table.row([
            row.key.clone(),
            or_dash(&row.value),
            row.origin.clone(),
            or_dash(&row.environment),
            row.flag.clone(),
        ]);
    }
    let source = file.path.as_ref().map_or_else(
        || "no settings file; set CYCLES_CONFIG or write ~/.config/cycles/config.yaml".to_owned(),
        |path| format!("settings file: {}", path.display()),
    );
    format!("{}\n{source}\n", table.render())
}
