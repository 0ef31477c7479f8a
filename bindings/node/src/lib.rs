//! Node addon of the Cycles SDK. It converts values and maps errors, nothing else.
//!
//! Every export answers an envelope, `{ok}` or `{error}`, and catches panics: the
//! TypeScript façade throws the typed classes. The one threadsafe function, of
//! notifications, is weak, so that nothing here keeps a process alive.

#![cfg_attr(test, allow(dead_code, reason = "napi registers the exports outside of tests only"))]
#![expect(unreachable_pub, reason = "napi exports only methods that are `pub`")]

mod abort;
mod client;
mod document;
mod envelope;
mod guard;
mod notifications;
mod runtime;
mod selftest;
mod stream;
mod testing;
