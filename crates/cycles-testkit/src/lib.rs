//! Test servers, manual clock and scenarios for Cycles.
