//! Where the core's futures run.

use napi_derive::module_init;

/// One thread beside JavaScript's: the core only waits for the network and writes down what
/// it hears, and more threads cost more in waking each other than they win. The disk has
/// threads of its own.
const WORKERS: usize = 1;

#[module_init]
fn start() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("runcycles")
        .enable_all()
        .build();
    // Without it napi makes one of its own, with a thread for each core.
    if let Ok(runtime) = runtime {
        napi::bindgen_prelude::create_custom_tokio_runtime(runtime);
    }
}
