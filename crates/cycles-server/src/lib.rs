//! The Cycles budget authority over HTTP: a library first, then the cycles program.
