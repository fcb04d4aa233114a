//! JSON and JavaScript strings, both ways.

use serde_json::Value;

use crate::dialect::json::{parse, write_ascii, write_js_string, write_plain};

/// Any text is a JavaScript string that is safe in a script, and JSON is written as it was read, numbers to
/// the last digit.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    scripted(&text);
    let Ok(value) = parse(&text) else { return };
    verbatim(&value, &text);
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

/// All numbers are as they were sent.
fn verbatim(value: &Value, text: &str) {
    match value {
        Value::Number(number) => {
            // But for the form of an exponent.
            let plain = |text: &str| text.replace('+', "").replace('E', "e");
            let number = plain(&number.to_string());
            assert!(plain(text).contains(&number), "{number} stands nowhere in {text:?}");
        }
        Value::Array(items) => items.iter().for_each(|item| verbatim(item, text)),
        Value::Object(map) => map.values().for_each(|item| verbatim(item, text)),
        _ => {}
    }
}

/// What becomes of a text in a script.
fn scripted(text: &str) {
    let mut out = Vec::new();
    write_js_string(&mut out, text);
    assert!(out.len() <= text.len() * 6 + 2, "grew without reason");
    let script = String::from_utf8(out).expect("a script is text");
    for unsafe_there in ["</", "\n", "\r", "\u{2028}", "\u{2029}", "\0"] {
        assert!(!script.contains(unsafe_there), "{unsafe_there:?} in {script:?}");
    }
    // Every JavaScript string that is written so is JSON as well.
    assert_eq!(serde_json::from_str::<String>(&script).expect("a string"), text);
}
