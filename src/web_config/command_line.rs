//! The command line of the program that IIS starts, as Windows takes it apart.

/// Splits a command line at spaces outside of quotes. `\"` is a quote that stands for itself.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'"') => {
                word.get_or_insert_default().extend(chars.next());
            }
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Replaces a variable such as `%HTTP_PLATFORM_PORT%`, whatever its case.
pub fn expand(text: &str, variable: &str, value: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.to_ascii_uppercase().find(variable) {
        out.push_str(&rest[..at]);
        out.push_str(value);
        rest = &rest[at + variable.len()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (text, expected) in [
            ("", &[][..]),
            ("  a  b\tc ", &["a", "b", "c"]),
            (
                r#"--log-dir "C:\some logs\x" --port=1"#,
                &["--log-dir", r"C:\some logs\x", "--port=1"],
            ),
            (r#"a "" b"c d"e \"f"#, &["a", "", "bc de", "\"f"]),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
        assert_eq!(expand("é%Port%-%PORT%", "%PORT%", "7"), "é7-7");
    }
}
