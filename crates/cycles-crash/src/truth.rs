//! What clients were told, and the same from the ledger.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fate {
    pub(crate) status: String,
    pub(crate) charged: i64,
    pub(crate) expires_at: i64,
}

/// What all of a process's clients were told.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// By id.
    pub(crate) reservations: BTreeMap<String, Fate>,
    /// What open reservations hold.
    pub(crate) open: i64,
    /// What commits and direct events charged.
    pub(crate) charged: i64,
    /// The ids of direct events.
    pub(crate) events: Vec<String>,
    /// Requests that were answered.
    pub(crate) answered: u64,
    /// Answers that were asked for again, and compared.
    pub(crate) replayed: u64,
    /// Connections that broke.
    pub(crate) broken: u64,
    /// What was answered wrongly.
    pub(crate) problems: Vec<String>,
}

impl Told {
    pub(crate) fn add(&mut self, other: Self) {
        self.reservations.extend(other.reservations);
        self.open += other.open;
        self.charged += other.charged;
        self.events.extend(other.events);
        self.answered += other.answered;
        self.replayed += other.replayed;
        self.broken += other.broken;
        self.problems.extend(other.problems);
    }
}

/// The ledger of a directory that nobody serves.
pub(crate) struct Ledger {
    reservations: BTreeMap<String, Fate>,
    events: Vec<String>,
    /// Spent and reserved of each budget that all clients draw on.
    budgets: Vec<(i64, i64)>,
}

impl Ledger {
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let verified = cycles_store::verify(directory)?;
        ensure!(verified.problems.is_empty(), "verify found {:?}", verified.problems);
        let mut lines = Vec::new();
        cycles_store::export(directory, &mut lines)?;
        let mut ledger =
            Self { reservations: BTreeMap::new(), events: Vec::new(), budgets: Vec::new() };
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            ledger.take(&serde_json::from_slice(line)?).context("an export that says less")?;
        }
        Ok(ledger)
    }

    fn take(&mut self, line: &Value) -> Option<()> {
        match line["type"].as_str()? {
            "reservation" => {
                let row = &line["reservation"];
                let fate = Fate {
                    status: row["status"].as_str()?.to_owned(),
                    charged: row["committed"]["amount"].as_i64().unwrap_or(0),
                    expires_at: row["expires_at_ms"].as_i64()?,
                };
                self.reservations.insert(row["reservation_id"].as_str()?.to_owned(), fate);
            }
            "budget" => {
                let amount = |name: &str| line["budget"][name]["amount"].as_i64();
                self.budgets.push((amount("spent")?, amount("reserved")?));
            }
            "answer" if line["endpoint"] == "event" => {
                self.events.push(line["answer"]["event_id"].as_str()?.to_owned());
            }
            _ => {}
        }
        Some(())
    }

    /// Whether it is what the clients were told, to the unit.
    pub(crate) fn compare(mut self, mut told: Told) -> Result<()> {
        ensure!(told.problems.is_empty(), "clients were answered wrongly: {:?}", told.problems);
        for (id, fate) in &told.reservations {
            let kept = self.reservations.get(id);
            ensure!(kept == Some(fate), "clients were told {fate:?} of {id}, kept is {kept:?}");
        }
        let unknown = self.reservations.keys().find(|id| !told.reservations.contains_key(*id));
        ensure!(unknown.is_none(), "no client was told of {unknown:?}");
        told.events.sort_unstable();
        self.events.sort_unstable();
        ensure!(told.events == self.events, "direct events differ");
        for budget in &self.budgets {
            ensure!(
                *budget == (told.charged, told.open),
                "a budget has spent and reserved {budget:?}, clients were told {:?}",
                (told.charged, told.open)
            );
        }
        ensure!(!self.budgets.is_empty(), "there is no budget to compare");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(charged: i64) -> Told {
        let fate = Fate { status: "COMMITTED".to_owned(), charged, expires_at: 1 };
        Told {
            reservations: [("a".to_owned(), fate)].into(),
            charged,
            events: vec!["e".to_owned()],
            ..Told::default()
        }
    }

    fn ledger() -> Ledger {
        Ledger {
            reservations: told(5).reservations,
            events: vec!["e".to_owned()],
            budgets: vec![(5, 0), (5, 0)],
        }
    }

    #[test]
    fn whatever_differs_is_noticed() {
        assert!(ledger().compare(told(5)).is_ok());
        assert!(ledger().compare(told(4)).is_err(), "charged");
        assert!(ledger().compare(Told { open: 1, ..told(5) }).is_err(), "reserved");
        assert!(ledger().compare(Told { events: Vec::new(), ..told(5) }).is_err(), "an event");
        assert!(Ledger { reservations: BTreeMap::new(), ..ledger() }.compare(told(5)).is_err());
        let lost = Told { reservations: BTreeMap::new(), ..told(5) };
        assert!(ledger().compare(lost).is_err(), "one too many");
        let wrong = Told { problems: vec![String::new()], ..told(5) };
        assert!(ledger().compare(wrong).is_err(), "a replay");
    }
}
