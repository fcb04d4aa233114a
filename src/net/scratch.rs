//! Room to put bytes together and to read them into, shared by all that a thread does: nothing is allocated for a
//! write, and who waits for bytes holds no buffer.

use std::cell::RefCell;

/// Room for more than this is given back.
const KEPT: usize = 64 * 1024;

/// Bytes that one read can bring.
const INPUT: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static INPUT_SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; INPUT].into_boxed_slice());
}

/// Lends a buffer to read into. Not to be asked for again inside of `work`; [`with_scratch`] may be.
pub(crate) fn with_input<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    INPUT_SCRATCH.with_borrow_mut(|input| work(input))
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
