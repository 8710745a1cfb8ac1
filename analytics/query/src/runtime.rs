//! The runtime that queries run on.

/// Stack of each worker thread. The planner recurses deeply and its frames are large when built without optimisation.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;

/// A multi-threaded runtime with stacks that are deep enough for the query planner.
///
/// # Errors
/// When the operating system gives no threads.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("tournee-query")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
}
