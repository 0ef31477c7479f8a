//! Listings, read to their end.

use cycles_protocol::limits;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;
use crate::remote::{As, Remote};

/// All rows of a listing; parameters that are unset are left out.
pub(super) async fn all<T: DeserializeOwned>(
    remote: &Remote,
    path: &str,
    parameters: &[(&str, Option<String>)],
    rows: &str,
    who: As,
) -> Result<Vec<T>, Failure> {
    some(remote, path, parameters, rows, who, usize::MAX).await
}

/// The first `most` rows of a listing.
pub(super) async fn some<T: DeserializeOwned>(
    remote: &Remote,
    path: &str,
    parameters: &[(&str, Option<String>)],
    rows: &str,
    who: As,
    most: usize,
) -> Result<Vec<T>, Failure> {
    let set = parameters.iter().filter_map(|(name, value)| Some((*name, value.clone()?)));
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    while found.len() < most {
        let size = (*limits::PAGE.end()).min(most - found.len());
        let mut query: Vec<_> = set.clone().collect();
        query.push(("limit", size.to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page: Value = remote.get(who, path, &query).await?;
        let page_rows = page[rows].take();
        let page_rows: Vec<T> = serde_json::from_value(page_rows).map_err(|error| {
            Failure::Runtime(format!(
                "a page is not what this version expects: {error} path={path}"
            ))
        })?;
        found.extend(page_rows);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    Ok(found)
}
