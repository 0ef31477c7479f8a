//! Cycles SDK core: reserve, run, commit.
