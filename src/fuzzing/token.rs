//! Tokens of people with an account.

use super::input::Input;
use crate::accounts::any_token;

/// A token that nobody has signed is refused whatever it says; what is taken of one that is signed has its bounds.
pub fn token(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() {
        b's' => {
            let head = String::from_utf8_lossy(input.line()).into_owned();
            any_token(&head, Some(input.0));
        }
        _ => any_token(&String::from_utf8_lossy(input.0), None),
    }
}
