//! What an open reservation keeps in memory.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::engine::Bench;

const RESERVATIONS: usize = 500_000;
/// The page size of every platform that this runs on.
const PAGE: usize = 4096;

/// Growth of the resident set by open reservations of six budgeted scopes,
/// without metadata.
#[derive(Serialize)]
pub(crate) struct Memory {
    reservations: usize,
    bytes_each: usize,
}

pub(crate) fn measure() -> Result<Memory> {
    let mut bench = Bench::new(1_000)?;
    bench.reserve(0)?;
    let before = resident()?;
    for index in 0..RESERVATIONS {
        bench.reserve(index % 1_000)?;
    }
    let bytes_each = resident()?.saturating_sub(before) / RESERVATIONS;
    Ok(Memory { reservations: RESERVATIONS, bytes_each })
}

fn resident() -> Result<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").context("needs Linux")?;
    let pages = text.split_whitespace().nth(1).context("no resident set in statm")?;
    Ok(pages.parse::<usize>()? * PAGE)
}
