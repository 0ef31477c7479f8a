//! Reads `CYCLES_…` environment variables; what does not parse is an error that
//! names the variable.

use std::time::Duration;

use crate::error::Error;

/// The unit of times in old environment variables, which differs by language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// As the Python package reads them; decimals allowed.
    Seconds,
    /// As all others do.
    Milliseconds,
}

/// Where variables come from and what their names begin with.
pub(crate) struct Vars<'a, G> {
    pub(crate) prefix: &'a str,
    pub(crate) unit: TimeUnit,
    pub(crate) get: G,
}

impl<G: Fn(&str) -> Option<String>> Vars<'_, G> {
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        (self.get)(&format!("{}{name}", self.prefix)).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<String, Error> {
        self.text(name).ok_or_else(|| {
            Error::Config(format!("environment variable is not set; set {}{name}", self.prefix))
        })
    }

    pub(crate) fn number<T: std::str::FromStr>(
        &self,
        name: &str,
        into: &mut T,
    ) -> Result<(), Error> {
        let Some(text) = self.text(name) else { return Ok(()) };
        *into = text.trim().parse().map_err(|_| self.unreadable(name, "a number", &text))?;
        Ok(())
    }

    pub(crate) fn flag(&self, name: &str, into: &mut bool) -> Result<(), Error> {
        let Some(text) = self.text(name) else { return Ok(()) };
        *into = match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => return Err(self.unreadable(name, "true or false", &text)),
        };
        Ok(())
    }

    /// One of the words that `parse` knows; `expected` names them.
    pub(crate) fn word<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
        into: &mut T,
    ) -> Result<(), Error> {
        let Some(text) = self.text(name) else { return Ok(()) };
        *into = parse(&text.trim().to_ascii_lowercase())
            .ok_or_else(|| self.unreadable(name, expected, &text))?;
        Ok(())
    }

    pub(crate) fn duration(&self, name: &str, into: &mut Duration) -> Result<(), Error> {
        let mut new = None;
        self.milliseconds(name, &mut new)?;
        if let Some(new) = new {
            *into = new;
            return Ok(());
        }
        let Some(text) = self.text(name) else { return Ok(()) };
        let parsed = match self.unit {
            TimeUnit::Milliseconds => text.trim().parse().ok().map(Duration::from_millis),
            TimeUnit::Seconds => text
                .trim()
                .parse()
                .ok()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };
        let expected = match self.unit {
            TimeUnit::Milliseconds => "whole milliseconds",
            TimeUnit::Seconds => "seconds",
        };
        *into = parsed.ok_or_else(|| self.unreadable(name, expected, &text))?;
        Ok(())
    }

    /// A time whose name says its unit, as all newer ones do.
    pub(crate) fn milliseconds(
        &self,
        name: &str,
        into: &mut Option<Duration>,
    ) -> Result<(), Error> {
        let with_unit = format!("{name}_MS");
        if self.text(&with_unit).is_some() {
            let mut ms = 0;
            self.number::<u64>(&with_unit, &mut ms)?;
            *into = Some(Duration::from_millis(ms));
        }
        Ok(())
    }

    fn unreadable(&self, name: &str, expected: &str, value: &str) -> Error {
        Error::Config(format!(
            "environment variable must be {expected} variable={}{name} value={value:?}",
            self.prefix
        ))
    }
}
