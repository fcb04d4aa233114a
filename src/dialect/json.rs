//! JSON in the forms that the clients of each generation read and write.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use super::Malformed;

/// Appends `value` as compact JSON.
pub fn write_plain<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let mut serializer = Serializer::with_formatter(out, CompactFormatter);
    // Fails only for maps whose keys are not strings, which no caller has.
    let _ = value.serialize(&mut serializer);
}

/// Appends `value` as compact JSON with each character from U+007F on written as `\uXXXX`.
///
/// ASCII is the same in plain and in double UTF-8, and its length in bytes is that in UTF-16 units. So
/// every client of Socket.IO 0.9 to 2.x reads it alike (reference: engineio.md §4.1.2). A slash after a
/// backslash is escaped, too, because the htmlfile client of 0.9 rewrites that pair (socketio-0.9.md §8.4).
pub fn write_ascii<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let mut serializer = Serializer::with_formatter(out, AsciiFormatter::default());
    let _ = value.serialize(&mut serializer);
}

#[derive(Default)]
struct AsciiFormatter {
    after_backslash: bool,
}

impl Formatter for AsciiFormatter {
    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.after_backslash = false;
        writer.write_all(b"\"")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        if self.after_backslash {
            if let Some(tail) = rest.strip_prefix('/') {
                writer.write_all(b"\\u002f")?;
                rest = tail;
            }
            self.after_backslash = false;
        }
        while let Some(at) = rest.find(|c: char| c >= '\u{7f}') {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut chars = rest[at..].chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.after_backslash = matches!(escape, CharEscape::ReverseSolidus);
        CompactFormatter.write_char_escape(writer, escape)
    }
}

/// The most values in one text. A value of two bytes of text can take 700 bytes of memory.
const MAX_VALUES: usize = 1 << 17;

/// Parses JSON of at most 131,072 values, nested at most 127 deep.
///
/// Numbers keep all their digits, because they are kept as text until code asks for a number. Only exponents
/// get the form that JavaScript gives them: `1E400` becomes `1e+400`.
///
/// A JavaScript string may hold half of a surrogate pair. Current engines write it as `\ud83d`, which is not
/// valid Unicode. Such a half is replaced by U+FFFD, so that the rest of the message is not lost.
///
/// # Errors
/// If the text is not JSON, or exceeds these bounds.
pub fn parse(text: &str) -> Result<Value, Malformed> {
    // A value has two bytes at least, so a shorter text is within the bound.
    if text.len() > 2 * MAX_VALUES && count_values(text.as_bytes()) > MAX_VALUES {
        return Err(Malformed("too many JSON values"));
    }
    let parsed = match serde_json::from_str(text) {
        Ok(parsed) => Some(parsed),
        Err(_) => replace_lone_surrogates(text).and_then(|text| serde_json::from_str(&text).ok()),
    };
    parsed.ok_or(Malformed("bad JSON"))
}

/// An upper bound of the number of values in a JSON text.
fn count_values(text: &[u8]) -> usize {
    let (mut count, mut quoted, mut at) = (1, false, 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            // Skips the escaped character. Outside of a string the text is not JSON anyway.
            b'\\' => at += 1,
            b',' | b'[' | b'{' if !quoted => count += 1,
            _ => {}
        }
        at += 1;
    }
    count
}

/// Replaces every unpaired `\udXXX` escape. Returns `None` if there is none.
fn replace_lone_surrogates(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let unit = |at: usize| -> Option<u16> {
        if bytes.get(at) != Some(&b'\\') || bytes.get(at + 1) != Some(&b'u') {
            return None;
        }
        let digits = bytes.get(at + 2..at + 6)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => {
                out.push_str(&text[copied..at]);
                out.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            Some(_) => at += 6,
            // Any other escape is two characters; the second may itself be a backslash.
            None => at += 2,
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// Appends `text` as a JavaScript string literal that is safe inside a script element and for
/// engines that take U+2028 and U+2029 for line ends.
pub fn write_js_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let (escape, length): (&[u8], usize) = match bytes[at] {
            b'"' => (b"\\\"", 1),
            b'\\' => (b"\\\\", 1),
            b'/' => (b"\\/", 1),
            b'\n' => (b"\\n", 1),
            b'\r' => (b"\\r", 1),
            b'\t' => (b"\\t", 1),
            control @ (0..=0x1f | 0x7f) => {
                out.extend_from_slice(&bytes[copied..at]);
                let _ = write!(out, "\\u{control:04x}");
                at += 1;
                copied = at;
                continue;
            }
            0xe2 if bytes.get(at + 1..at + 3) == Some(&[0x80, 0xa8]) => (b"\\u2028", 3),
            0xe2 if bytes.get(at + 1..at + 3) == Some(&[0x80, 0xa9]) => (b"\\u2029", 3),
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(escape);
        at += length;
        copied = at;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ascii(value: &Value) -> String {
        let mut out = Vec::new();
        write_ascii(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn js(text: &str) -> String {
        let mut out = Vec::new();
        write_js_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn ascii_escapes_everything_from_del_on() {
        assert_eq!(
            ascii(&json!(["€😀é\u{2028}\u{7f}~"])),
            r#"["\u20ac\ud83d\ude00\u00e9\u2028\u007f~"]"#
        );
        assert_eq!(ascii(&json!({"ключ": 1})), r#"{"\u043a\u043b\u044e\u0447":1}"#);
        assert_eq!(parse(&ascii(&json!("a\0é\n\"한"))).unwrap(), json!("a\0é\n\"한"));
    }

    #[test]
    fn ascii_keeps_backslash_and_slash_apart() {
        assert_eq!(ascii(&json!("a/b\\/c\\\\/d\\n/")), r#""a/b\\\u002fc\\\\\u002fd\\n/""#);
        assert_eq!(parse(&ascii(&json!("\\/"))).unwrap(), json!("\\/"));
        assert_eq!(ascii(&json!(["\\", "/"])), r#"["\\","/"]"#);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let same = [
            "0",
            "-0",
            "1",
            "1.0",
            "-1.50",
            "0.1",
            "38.156211720485004",
            "0.1000000000000000055511151231257827021181583404541015625",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234567890",
            "2.2250738585072011e-308",
            "5e-324",
            "1e-400",
            "1.7976931348623157e+308",
            "1e+400",
            "-1e+99999999999999999999",
        ];
        let put_otherwise = [("1e400", "1e+400"), ("1E5", "1e+5"), ("1E-5", "1e-5")];
        for (text, expected) in same.map(|text| (text, text)).into_iter().chain(put_otherwise) {
            for around in ["#", "[#]", "{\"a\":[1,#,\"1\"]}"] {
                let value = parse(&around.replace('#', text)).unwrap();
                let mut plain = Vec::new();
                write_plain(&mut plain, &value);
                let expected = around.replace('#', expected);
                assert_eq!(String::from_utf8(plain).unwrap(), expected, "{text}");
                assert_eq!(ascii(&value), expected, "{text}");
            }
        }
        for text in ["01", "1.", ".1", "+1", "1e", "--1", "0x1", "NaN", "Infinity", "1_0"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_counted_and_what_strings_hold_is_none() {
        for (text, count) in [
            ("1", 1),
            ("\"a,[{,\\\",,\\\\\"", 1),
            ("[1,2,3]", 4),
            ("{\"a\":{\"b\":[0]},\"c\":0}", 5),
        ] {
            assert_eq!(count_values(text.as_bytes()), count, "{text}");
        }
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(parse(&list(MAX_VALUES)).is_ok());
        assert!(parse(&list(MAX_VALUES).replace("0,", "0, ")).is_ok());
        assert_eq!(parse(&list(MAX_VALUES + 1)), Err(Malformed("too many JSON values")));
        assert!(parse(&format!("[\"{}\"]", ",".repeat(4 * MAX_VALUES))).is_ok());
    }

    #[test]
    fn depth_has_a_bound() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(127)).is_ok());
        assert_eq!(parse(&nested(128)), Err(Malformed("bad JSON")));
    }

    /// serde_json has a key of its own for numbers: an object with that key is a number, or an error.
    #[test]
    fn the_librarys_own_name_does_no_harm() {
        let object = |value: &str| parse(&format!("{{\"$serde_json::private::Number\":{value}}}"));
        assert_eq!(object("\"1.50\"").map(|number| number.to_string()), Ok("1.50".to_owned()));
        for value in ["\"\"", "\" 1\"", "\"1,2\"", "\"]\"", "1", "{}"] {
            assert_eq!(object(value), Err(Malformed("bad JSON")), "{value}");
        }
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_kept() {
        assert_eq!(parse(r#"["\ud83d"]"#).unwrap(), json!(["\u{fffd}"]));
        assert_eq!(
            parse(r#"["\ude00x\uD83D\uDE00\ud83d"]"#).unwrap(),
            json!(["\u{fffd}x😀\u{fffd}"])
        );
        assert_eq!(parse(r#"["\\ud83d","\ud83d"]"#).unwrap(), json!(["\\ud83d", "\u{fffd}"]));
        assert!(parse(r#"["\ud83d"#).is_err());
        assert!(parse(r#"["\u12"]"#).is_err());
    }

    #[test]
    fn js_strings_cannot_leave_their_script() {
        assert_eq!(
            js("a\"b\\c</script>\n\u{2028}\u{2029}é\0"),
            r#""a\"b\\c<\/script>\n\u2028\u2029é\u0000""#
        );
        assert_eq!(js(""), "\"\"");
    }
}
