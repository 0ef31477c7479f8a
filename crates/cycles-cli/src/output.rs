//! What the program writes to stdout: a table for people, JSON for programs.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Rows under headings, aligned. Columns whose heading starts with `>` stand
/// right.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The table as text, a line each; says `none` where there is no row.
    pub(crate) fn render(&self) -> String {
        if self.rows.is_empty() {
            return "none\n".to_owned();
        }
        let heading = |column: usize| self.headings[column].trim_start_matches('>');
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(heading(column).chars().count())
        };
        let widths: Vec<_> = (0..self.headings.len()).map(width).collect();
        let mut text = String::new();
        let mut line = |cell: &dyn Fn(usize) -> String| {
            let mut line = String::new();
            for (column, width) in widths.iter().enumerate() {
                let cell = printable(&cell(column));
                // Writing to a String cannot fail.
                let _ = if self.headings[column].starts_with('>') {
                    write!(line, "{cell:>width$}  ")
                } else {
                    write!(line, "{cell:<width$}  ")
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        };
        line(&|column| heading(column).to_owned());
        for row in &self.rows {
            line(&|column| row[column].clone());
        }
        text
    }
}

/// Names come from elsewhere: what they hold must not steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// How to write what a command found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Format {
    /// Writes `value` as JSON, or what `text` makes of it.
    pub(crate) fn write<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self {
            Self::Text => text(value),
            Self::Json => {
                let json = serde_json::to_string_pretty(value);
                json.map_err(|error| Failure::Runtime(error.to_string()))? + "\n"
            }
        };
        write(&text)
    }
}

/// Writes to stdout. Whoever reads may stop reading, as `head` does.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Writes a line to stderr, past any log.
pub(crate) fn note(line: &str) {
    // Nothing is left to do when stderr is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_control_characters_harmless() {
        let mut table = Table::new(&["SCOPE", ">LEFT"]);
        assert_eq!(table.render(), "none\n");
        table.row(["tenant:acme".to_owned(), "$1.00".to_owned()]);
        table.row(["t\u{1b}[2J".to_owned(), "$10.00".to_owned()]);
        assert_eq!(
            table.render(),
            "SCOPE          LEFT\ntenant:acme   $1.00\nt\u{fffd}[2J        $10.00\n"
        );
    }
}
