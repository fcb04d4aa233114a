//! Room to put bytes together, shared by all that a thread does: nothing is allocated for a write.

use std::cell::RefCell;

/// Room for more than this is given back.
const KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends an empty buffer. Not to be asked for again inside of `work`.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let done = work(scratch);
        if scratch.capacity() > KEPT {
            *scratch = Vec::new();
        }
        done
    })
}
