//! Comparing secrets that strangers try to guess.

/// Whether a text is the secret. Takes a time that depends only on the lengths, so that it does not reveal how
/// much of a guess was right.
pub fn is_secret(text: &[u8], secret: &[u8]) -> bool {
    let differences = text.iter().zip(secret).fold(0, |sum, (a, b)| sum | (a ^ b));
    text.len() == secret.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_it() {
        assert!(is_secret(b"secret", b"secret"));
        assert!(!is_secret(b"secreT", b"secret"));
        assert!(!is_secret(b"secret ", b"secret"));
        assert!(!is_secret(b"secre", b"secret"));
        assert!(!is_secret(b"", b"secret"));
    }
}
