//! Characters that old browsers and small devices send as they are in the target of a request:
//! quotes, angle brackets, bytes that are not ASCII. URIs do not have them, so parsers refuse them.
//! Here they are percent-encoded before the parser sees them, as current clients do themselves.

/// How far the first line of a request has been seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Empty lines may precede it (RFC 9112 §2.2).
    #[default]
    Before,
    In,
    After,
}

impl Target {
    /// The next bytes of the request, escaped as far as they are of its first line.
    pub fn escape(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let line = self.line(&bytes);
        if !bytes[..line].iter().copied().any(is_raw) {
            return bytes;
        }
        let mut escaped = Vec::with_capacity(bytes.len() + 64);
        for &byte in &bytes[..line] {
            if is_raw(byte) {
                escaped.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
            } else {
                escaped.push(byte);
            }
        }
        escaped.extend_from_slice(&bytes[line..]);
        escaped
    }

    /// How many of the next bytes are of the first line, or before it.
    fn line(&mut self, bytes: &[u8]) -> usize {
        let mut start = 0;
        if *self == Target::Before {
            let empty = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            start = bytes.iter().take_while(empty).count();
            if start < bytes.len() {
                *self = Target::In;
            }
        }
        if *self == Target::In {
            match bytes[start..].iter().position(|&byte| byte == b'\n') {
                Some(end) => {
                    *self = Target::After;
                    return start + end;
                }
                None => return bytes.len(),
            }
        }
        start
    }
}

/// Whether a byte cannot stand in a URI.
fn is_raw(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`' | 0x7f..)
}

fn hex(digit: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(digit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_escaped_wherever_it_is_cut() {
        for (raw, escaped) in [
            ("GET /a?b=c HTTP/1.1\r\nA: \"<>\"\r\n\r\n", None),
            ("\r\n\r\nGET /\"a\"\r\nB: \"\r\n", Some("\r\n\r\nGET /%22a%22\r\nB: \"\r\n")),
            ("GET /?q={\"a\":<b>}` H\n\"", Some("GET /?q={%22a%22:%3Cb%3E}%60 H\n\"")),
            ("GET /\u{e9}\x7f H\r\n\u{e9}", Some("GET /%C3%A9%7F H\r\n\u{e9}")),
            ("\n\nGET /%22 H\n\n", None),
            ("\r\n", None),
            ("", None),
        ] {
            let raw = raw.as_bytes();
            let escaped = escaped.map_or(raw, str::as_bytes);
            for cut in 0..=raw.len() {
                let mut target = Target::default();
                let out = [&raw[..cut], &raw[cut..]].map(|piece| target.escape(piece.to_vec()));
                assert_eq!(out.concat(), escaped, "{} cut at {cut}", raw.escape_ascii());
            }
        }
    }
}
