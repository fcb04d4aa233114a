//! Per-thread scratch buffers for building output and reading input. Writes need no allocation, and
//! a connection that waits for input holds no buffer.

use std::cell::RefCell;

/// A buffer with a larger capacity, in bytes, is freed after use.
const MAX_KEPT: usize = 64 * 1024;

/// Size in bytes of the input buffer, and so of one read.
const INPUT: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static INPUT_SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; INPUT].into_boxed_slice());
}

/// Lends the thread's input buffer to `work`. Not reentrant: `work` must not call this function. It
/// may call [`with_scratch`].
pub(crate) fn with_input<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    INPUT_SCRATCH.with_borrow_mut(|input| work(input))
}

/// Lends the thread's output buffer, empty, to `work`. Not reentrant: `work` must not call this
/// function.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let done = work(scratch);
        if scratch.capacity() > MAX_KEPT {
            *scratch = Vec::new();
        }
        done
    })
}
