//! From the bytes of a file to its text: UTF-8 or UTF-16, with or without a mark at the start, and Latin-1 if the
//! file says so.

/// Decodes a file.
///
/// # Errors
/// If it is in none of these encodings.
pub fn decode(bytes: &[u8]) -> Result<String, &'static str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // Markup begins with an ASCII character.
        [1..=0xff, 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, 1..=0xff, ..] => utf16(bytes, u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            match std::str::from_utf8(bytes) {
                Ok(text) => Ok(text.to_owned()),
                Err(_) if says_latin(bytes) => Ok(bytes.iter().map(|byte| *byte as char).collect()),
                Err(_) => Err("this is no text in UTF-8 or UTF-16"),
            }
        }
    }
}

/// Whether a text that is not UTF-16 says that it is: readers of XML refuse that.
pub fn says_utf16(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
        && declared(bytes).is_some_and(|name| name.starts_with("utf-16"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, &'static str> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = String::from_utf16(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<u16>>());
    let text = text.ok().filter(|_| rest.is_empty());
    let text = text.ok_or("this begins as UTF-16, and is none")?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn says_latin(bytes: &[u8]) -> bool {
    let names = ["iso-8859-1", "windows-1252", "latin1"];
    declared(bytes).is_some_and(|name| names.contains(&name.as_str()))
}

/// The encoding in the first line of XML, in small letters.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(200)];
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let head = &head[..head.find("?>")?];
    let value = head.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| "\"'".contains(*c))?;
    value[1..].split_once(quote).map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_that_iis_reads() {
        let text = "<?xml version=\"1.0\"?><a b=\"ü\"/>";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe", &little[..]].concat(),
            [b"\xfe\xff", &big[..]].concat(),
            little.clone(),
            big,
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok(text), "{bytes:?}");
        }
        let latin = b"<?xml version='1.0' encoding = 'Windows-1252'?><a b='\xfc'/>";
        assert!(decode(latin).unwrap().ends_with("<a b='ü'/>"));
        assert_eq!(decode(b"<a b='\xfc'/>"), Err("this is no text in UTF-8 or UTF-16"));
        assert_eq!(decode(&little[1..]), Err("this begins as UTF-16, and is none"));
        assert_eq!(decode(b""), Ok(String::new()));
    }

    #[test]
    fn a_text_that_says_to_be_utf16_and_is_not() {
        assert!(says_utf16(b"<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>"));
        assert!(!says_utf16(b"<?xml version=\"1.0\" encoding=\"utf-8\"?><a encoding=\"utf-16\"/>"));
        assert!(!says_utf16(b"<a/>"));
    }
}
