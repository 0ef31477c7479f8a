//! The native surface of Cycles on uniffi: it converts and maps errors, nothing else.

uniffi::setup_scaffolding!();
