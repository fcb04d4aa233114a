//! JSON and JavaScript strings.

use serde_json::Value;

use crate::dialect::json::{parse, write_ascii, write_js_string, write_plain};

/// Any text becomes a JavaScript string that is safe in a script. Parsed JSON is written as it came, with
/// all digits of its numbers.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    check_script(&text);
    let Ok(value) = parse(&text) else { return };
    check_numbers(&value, &text);
    let (mut plain, mut ascii) = (Vec::new(), Vec::new());
    write_plain(&mut plain, &value);
    write_ascii(&mut ascii, &value);
    for written in [&plain, &ascii] {
        let written = std::str::from_utf8(written).expect("JSON is text");
        assert_eq!(parse(written).expect("what was written can be read"), value, "{written}");
    }
    assert!(ascii.iter().all(|byte| (b' '..0x7f).contains(byte)), "not plain ASCII");
    assert!(!ascii.windows(2).any(|pair| pair == b"\\/"), "0.9's htmlfile client rewrites that");
    assert!(ascii.len() <= plain.len() * 6, "grew without reason");
}

/// All numbers have the digits of the text.
fn check_numbers(value: &Value, text: &str) {
    match value {
        Value::Number(number) => {
            // Ignores the form of the exponent.
            let plain = |text: &str| text.replace('+', "").replace('E', "e");
            let number = plain(&number.to_string());
            assert!(plain(text).contains(&number), "{number} stands nowhere in {text:?}");
        }
        Value::Array(items) => items.iter().for_each(|item| check_numbers(item, text)),
        Value::Object(map) => map.values().for_each(|item| check_numbers(item, text)),
        _ => {}
    }
}

/// The text as a JavaScript string cannot end its script, and is the same text when it is read.
fn check_script(text: &str) {
    let mut out = Vec::new();
    write_js_string(&mut out, text);
    assert!(out.len() <= text.len() * 6 + 2, "grew without reason");
    let script = String::from_utf8(out).expect("a script is text");
    for unsafe_text in ["</", "\n", "\r", "\u{2028}", "\u{2029}", "\0"] {
        assert!(!script.contains(unsafe_text), "{unsafe_text:?} in {script:?}");
    }
    // With these escapes, a JavaScript string is a JSON string as well.
    assert_eq!(serde_json::from_str::<String>(&script).expect("a string"), text);
}
