//! What passed, failed and was skipped, and the closing line that CI reads.

use std::time::{Duration, Instant};

use crate::run::seconds;

/// How one suite or check went.
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: String,
    /// Tests that passed.
    pub(crate) passed: u32,
    /// Tests that failed.
    pub(crate) failed: u32,
    /// Tests that were not run.
    pub(crate) skipped: u32,
    /// How long it took, all told.
    pub(crate) took: Duration,
    /// Why it failed or was skipped.
    pub(crate) note: String,
}

/// All rows of one command.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds the rows of another report.
    pub(crate) fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Runs a check and adds how it went.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> anyhow::Result<bool>) {
        println!("\n== {name}");
        let start = Instant::now();
        let (ok, note) = match check() {
            Ok(ok) => (ok, String::new()),
            Err(error) => (false, format!("{error:#}")),
        };
        if !ok {
            println!("FAILED {name} {note}");
        }
        self.add(Row {
            name: name.to_owned(),
            passed: u32::from(ok),
            failed: u32::from(!ok),
            skipped: 0,
            took: start.elapsed(),
            note: note.lines().next().unwrap_or_default().to_owned(),
        });
    }

    /// Adds something that could not be run here.
    pub(crate) fn skip(&mut self, name: &str, why: &str, is_failure: bool) {
        println!("SKIP {name}: {why}");
        self.add(Row {
            name: name.to_owned(),
            passed: 0,
            failed: u32::from(is_failure),
            skipped: u32::from(!is_failure),
            took: Duration::ZERO,
            note: why.to_owned(),
        });
    }

    /// Prints the table and the closing line; answers whether nothing failed.
    pub(crate) fn conclude(&self) -> bool {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(5);
        println!("\n{:width$}  passed  failed  skipped      time", "suite");
        for row in &self.rows {
            println!(
                "{:width$}  {:6}  {:6}  {:7}  {:>8}  {}",
                row.name,
                row.passed,
                row.failed,
                row.skipped,
                seconds(row.took),
                row.note
            );
        }
        println!("\n{}", self.closing_line());
        self.failed() == 0
    }

    fn closing_line(&self) -> String {
        let total = |field: fn(&Row) -> u32| self.rows.iter().map(field).sum::<u32>();
        let line = format!("{} passed, {} failed", total(|row| row.passed), self.failed());
        match total(|row| row.skipped) {
            0 => line,
            skipped => format!("{line}, {skipped} skipped"),
        }
    }

    fn failed(&self) -> u32 {
        self.rows.iter().map(|row| row.failed).sum()
    }
}

/// Prints problems, one a line; answers whether there are none.
pub(crate) fn none(problems: &[String]) -> bool {
    for problem in problems {
        println!("{problem}");
    }
    problems.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_names_skips_only_where_there_are_some() {
        let mut report = Report::default();
        report.check("good", || Ok(true));
        assert_eq!(report.closing_line(), "1 passed, 0 failed");
        report.check("bad", || anyhow::bail!("broken"));
        report.skip("gone", "install it", false);
        assert_eq!(report.closing_line(), "1 passed, 1 failed, 1 skipped");
        report.skip("gone", "install it", true);
        assert_eq!(report.closing_line(), "1 passed, 2 failed, 1 skipped");
        assert!(!report.conclude());
    }
}
