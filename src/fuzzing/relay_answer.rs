//! Answers of other nodes.

use super::input::Input;
use crate::relay::in_pieces;

/// An answer is the same whatever pieces it comes in, and there is no more in it than came.
pub fn relay_answer(data: &[u8]) {
    let mut input = Input(data);
    let size = usize::from(input.byte());
    let whole = in_pieces(input.0, usize::MAX);
    assert_eq!(in_pieces(input.0, size), whole);
    assert_eq!(in_pieces(input.0, 1), whole);
    if let Some((_, body, left)) = whole {
        assert!(body.len() + left < input.0.len());
    }
}
