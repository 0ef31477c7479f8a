//! The behaviour suite that every language runs.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::repo::Repo;

/// The folder of the scenario files.
pub(crate) const FOLDER: &str = "tests/scenarios";

/// One scenario file, as far as this program looks into it.
pub(crate) struct Scenario {
    /// The file's name without its ending.
    pub(crate) file: String,
    /// The id that the file gives itself.
    pub(crate) id: String,
    /// What it shows.
    pub(crate) title: String,
}

/// Prints id and title of every scenario.
pub(crate) fn list(repo: &Repo) -> Result<bool> {
    let scenarios = read(repo)?;
    let width = scenarios.iter().map(|scenario| scenario.id.len()).max().unwrap_or(0);
    for Scenario { id, title, .. } in &scenarios {
        println!("{id:width$}  {title}");
    }
    Ok(true)
}

/// All scenarios, by name.
pub(crate) fn read(repo: &Repo) -> Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for entry in std::fs::read_dir(repo.path(FOLDER))? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let document: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path)?)
            .with_context(|| format!("{FOLDER}/{file}.yaml does not parse"))?;
        let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        scenarios.push(Scenario { id: text("id"), title: text("title"), file });
    }
    scenarios.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(scenarios)
}
