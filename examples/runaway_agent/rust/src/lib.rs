//! The runaway agent of cargo xtask demo, in Rust.
