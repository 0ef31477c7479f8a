//! Files that can never be replayed: kept for a person to look at, out of the
//! way of those that can.

use std::io;
use std::path::Path;

use super::storage::Storage;

/// Files of one name that are told apart; more overwrite the last.
const MAX_NAMESAKES: u32 = 1_000;

/// Renames a file to `….corrupt` and reports it.
pub(crate) fn set_aside(
    storage: &dyn Storage,
    directory: &Path,
    name: &str,
    reason: &str,
) -> io::Result<()> {
    let target = free_name(storage, directory, name)?;
    storage.rename(&directory.join(name), &directory.join(&target))?;
    tracing::error!(
        reason,
        directory = %directory.display(),
        file = target,
        "settlement record cannot be replayed and was set aside; see docs/recovery.md"
    );
    Ok(())
}

fn free_name(storage: &dyn Storage, directory: &Path, name: &str) -> io::Result<String> {
    let taken = storage.list(directory)?;
    let stem = name.strip_suffix(".json").unwrap_or(name);
    let candidate = |number: u32| match number {
        0 => format!("{stem}.corrupt"),
        _ => format!("{stem}.{number}.corrupt"),
    };
    let free = (0..MAX_NAMESAKES)
        .map(candidate)
        .find(|candidate| taken.iter().all(|file| file.name != *candidate));
    Ok(free.unwrap_or_else(|| candidate(MAX_NAMESAKES)))
}
