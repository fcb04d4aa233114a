//! How texts are escaped for readers, and how long they become.

/// Escapes a text for the page of the 0.9 example, which inserts messages as markup
/// (chat-example.md, family B, text safety).
pub fn escape_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// Returns how many bytes a text takes in a reader's queue in the longest form that any reader gets: as
/// JSON, in ASCII for older clients, and with markup escaped. At most six times the text's own length.
pub fn queued_len(text: &str) -> usize {
    // Most texts are made of characters that stay as they are, which are told from others quickly.
    let chunks = text.as_bytes().chunks_exact(PLAIN_CHUNK);
    let are_plain = |chunk: &&[u8]| chunk.iter().fold(true, |all, byte| all & is_plain(*byte));
    let plain = PLAIN_CHUNK * chunks.take_while(are_plain).count();
    let (head, rest) = text.split_at(plain);
    head.len() + queued_len_of_all(rest)
}

/// Bytes that are looked at in one.
const PLAIN_CHUNK: usize = 16;

/// Whether a byte is a character that every reader gets as it is, whatever is before it.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..b'\x7f') && !matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\\')
}

fn queued_len_of_all(text: &str) -> usize {
    let mut after_backslash = false;
    let mut length = 0;
    for c in text.chars() {
        length += match c {
            '&' => 5,
            '<' | '>' => 4,
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '/' if after_backslash => 6,
            ' '..'\u{7f}' => 1,
            c => 6 * c.len_utf16(),
        };
        after_backslash = c == '\\';
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_text_is_longer_than_was_counted() {
        // As older clients get it.
        let ascii = |text: &str| {
            let json = serde_json::to_string(text).unwrap();
            let unit = |c: char| if c < '\u{7f}' { 1 } else { 6 * c.len_utf16() };
            json.chars().map(unit).sum::<usize>() + 5 * json.matches("\\\\/").count() - 2
        };
        for (text, longest) in [
            ("", 0),
            ("plain text", 10),
            ("sixteen of these, and more", 26),
            ("sixteen of these\\/", 24),
            ("~/a\"b\\/c", 15),
            ("a/b", 3),
            ("\\/\\/", 16),
            ("\\\\\n\t\r\"", 12),
            ("\u{8}\u{c}", 4),
            ("\u{1}\u{1f}\u{7f}", 18),
            ("é€한", 18),
            ("😀", 12),
            ("\u{2028}", 6),
        ] {
            assert_eq!(queued_len(text), longest, "{text:?}");
            assert_eq!(ascii(text), longest, "{text:?}");
            assert!(longest <= 6 * text.len());
        }
        for (text, longest) in [("&", 5), ("<b>", 9), ("&amp;\u{1}", 15)] {
            assert_eq!(queued_len(text), longest, "{text:?}");
            assert_eq!(ascii(&escape_markup(text)), longest, "{text:?}");
        }
    }
}
