//! Which cores a process runs on, so that client and server do not take turns.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Binds this process to the `index`th of its cores, counted round.
pub(crate) fn bind(index: usize) -> Result<()> {
    let allowed = sched_getaffinity(None).context("cannot read the cores of this process")?;
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let mut one = CpuSet::new();
    one.set(cores[index % cores.len()]);
    sched_setaffinity(None, &one).context("cannot bind this process to a core")
}
