//! What threads share: locks, flags, thread-locals, tasks. With the feature `shuttle` they are
//! those of a scheduler that decides what runs next, and tries orders that a machine seldom does.

#[cfg(feature = "shuttle")]
pub use shuttle::{
    sync::{Mutex, MutexGuard, atomic::AtomicBool},
    thread_local,
};
#[cfg(not(feature = "shuttle"))]
pub use std::{
    sync::{Mutex, MutexGuard, atomic::AtomicBool},
    thread_local,
};

use tokio::runtime::Handle;

/// Runs `work` as a task of its own.
#[cfg(not(feature = "shuttle"))]
pub fn spawn(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
    runtime.spawn(work);
}

#[cfg(feature = "shuttle")]
pub fn spawn(_runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
    shuttle::future::spawn(work);
}
