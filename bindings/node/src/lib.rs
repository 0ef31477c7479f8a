//! Node addon of the Cycles SDK.
