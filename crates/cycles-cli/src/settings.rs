//! Settings: from flags, else from the environment, else from a file, else as
//! they are by default. The file's values are put under clap's own defaults, so
//! that clap does the rest, and knows where each value came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use serde::Deserialize;

use crate::failure::Failure;
use crate::output::Format;

/// Names the file.
pub(crate) const FILE_VARIABLE: &str = "CYCLES_CONFIG";

/// The subcommands whose arguments are settings, in sections of their own.
pub(crate) const SECTIONS: &[&str] = &["serve"];

/// Variables of the existing servers for settings that have one of their own here,
/// which wins: section, key, variable.
const ALIASES: &[(&str, &str, &str)] =
    &[("", "admin_key", "ADMIN_API_KEY"), ("serve", "admin_key", "ADMIN_API_KEY")];

/// Arguments that are no setting, because they say what to do rather than how.
const NO_SETTINGS: &[&str] = &["json", "help", "version"];

/// Where the server is, and who asks.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Where the server answers.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "CYCLES_BASE_URL",
        default_value = "http://127.0.0.1:7878"
    )]
    pub(crate) base_url: String,

    /// A tenant's key. Prefer the environment variable: arguments are visible to
    /// other users.
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "CYCLES_API_KEY",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) api_key: Option<String>,

    /// The server's admin key. Prefer the environment variable.
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "CYCLES_ADMIN_API_KEY",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) admin_key: Option<String>,

    /// PEM file of certificate authorities to trust besides the platform's.
    #[arg(long, global = true, value_name = "FILE", env = "CYCLES_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Longest wait for an answer, in milliseconds.
    #[arg(long, global = true, value_name = "MS", env = "CYCLES_READ_TIMEOUT_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) read_timeout_ms: u64,

    /// Write JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

impl Connection {
    pub(crate) const fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

/// The settings of a file, by section; the empty one is every command's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SettingsFile {
    /// Where it is, if there is one.
    pub(crate) path: Option<PathBuf>,
    values: BTreeMap<(String, String), String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Number(i64),
    Text(String),
    Section(BTreeMap<String, Value>),
}

impl SettingsFile {
    /// Reads the file that `CYCLES_CONFIG` names, else the user's own, else none.
    pub(crate) fn find() -> Result<Self, Failure> {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(path) = var(FILE_VARIABLE) {
            return Self::read(Path::new(&path));
        }
        let folder = var("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| var("HOME").map(|home| PathBuf::from(home).join(".config")));
        match folder.map(|folder| folder.join("cycles/config.yaml")) {
            Some(path) if path.is_file() => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let usage = |error: &dyn std::fmt::Display| {
            Failure::Usage(format!("settings cannot be used file={}: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| usage(&error))?;
        let mut file = Self::parse(&text).map_err(|error| usage(&error))?;
        file.path = Some(path.to_owned());
        Ok(file)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let options = serde_saphyr::options! { with_snippet: false };
        let root: Option<BTreeMap<String, Value>> =
            serde_saphyr::from_str_with_options(text, options).map_err(|e| e.to_string())?;
        let mut values = BTreeMap::new();
        for (name, value) in root.unwrap_or_default() {
            match value {
                Value::Section(section) if SECTIONS.contains(&name.as_str()) => {
                    for (key, value) in section {
                        let text = scalar(&format!("{name}.{key}"), value)?;
                        values.insert((name.clone(), key), text);
                    }
                }
                value => {
                    let text = scalar(&name, value)?;
                    values.insert((String::new(), name), text);
                }
            }
        }
        Ok(Self { path: None, values })
    }

    /// The value that the file has for a setting.
    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&str> {
        let value = self.values.get(&(section.to_owned(), key.to_owned()));
        value.map(String::as_str)
    }

    /// The same command, with the file's values as defaults.
    ///
    /// # Errors
    /// Names a key that no command has.
    pub(crate) fn apply(&self, command: Command) -> Result<Command, Failure> {
        let known = keys(&command);
        for at in self.values.keys() {
            if !known.contains(at) {
                let name = shown(&at.0, &at.1);
                let names: Vec<_> =
                    known.iter().map(|(section, key)| shown(section, key)).collect();
                return Err(Failure::Usage(format!(
                    "no such setting key={name} file={}; there are {}",
                    self.path.as_deref().unwrap_or(Path::new("-")).display(),
                    names.join(", ")
                )));
            }
        }
        Ok(self.defaults(command, ""))
    }

    fn defaults(&self, command: Command, section: &str) -> Command {
        let command = command.mut_args(|arg| {
            let key = arg.get_id().as_str().to_owned();
            let of = |section: &str| {
                let alias = by_alias(section, &key).map(|(_, value)| value);
                alias.or_else(|| self.get(section, &key).map(str::to_owned))
            };
            let value = of(section).or_else(|| {
                // Connection settings are every command's, and stand at the root.
                (section.is_empty() || arg.is_global_set()).then(|| of("")).flatten()
            });
            match value {
                Some(value) => arg.required(false).default_value(value),
                None => arg,
            }
        });
        command.mut_subcommands(|sub| {
            let name = sub.get_name().to_owned();
            self.defaults(sub, if SECTIONS.contains(&name.as_str()) { &name } else { section })
        })
    }
}

/// The variable of an existing server that sets a setting, and its value; one that
/// is empty sets nothing.
pub(crate) fn by_alias(section: &str, key: &str) -> Option<(&'static str, String)> {
    let of_key = ALIASES.iter().filter(|alias| (alias.0, alias.1) == (section, key));
    let mut set = of_key.filter_map(|(_, _, name)| Some((*name, std::env::var(name).ok()?)));
    set.find(|(_, value)| !value.is_empty())
}

/// How a setting is called, `serve.listen`.
pub(crate) fn shown(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// All settings there are: section and key.
pub(crate) fn keys(command: &Command) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    for sub in command.get_subcommands() {
        let section = SECTIONS.iter().find(|name| **name == sub.get_name());
        for arg in sub.get_arguments() {
            let key = arg.get_id().as_str();
            let section = match section {
                Some(section) => *section,
                None if arg.is_global_set() => "",
                None => continue,
            };
            let at = (section.to_owned(), key.to_owned());
            if arg.get_long().is_some() && !NO_SETTINGS.contains(&key) && !keys.contains(&at) {
                keys.push(at);
            }
        }
    }
    keys
}

fn scalar(key: &str, value: Value) -> Result<String, String> {
    match value {
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(value) => Ok(value.to_string()),
        Value::Text(value) => Ok(value),
        Value::Section(_) => {
            Err(format!("no such section; there are {} key={key}", SECTIONS.join(", ")))
        }
    }
}
