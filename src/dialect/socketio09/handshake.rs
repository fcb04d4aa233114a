//! URLs and the answer to a handshake (reference: socketio-0.9.md §1, §2).

use std::time::Duration;

use crate::dialect::script;

/// What the URL of a request asks for (socketio-0.9.md §1).
#[derive(Debug, PartialEq, Eq)]
pub enum Url<'a> {
    /// A handshake.
    Handshake,
    /// A request of a session, which opens or continues a transport.
    Open {
        /// The transport, by its name in URLs.
        transport: &'a str,
        /// The session's id.
        sid: &'a str,
    },
    /// The end of a session.
    Disconnect {
        /// The session's id.
        sid: &'a str,
    },
    /// The protocol number is not 1.
    OtherProtocol,
}

impl<'a> Url<'a> {
    /// Parses the part of a path that follows the mount path and its slash. `None` if it is not a URL of
    /// this generation.
    pub fn parse(path: &'a str, query: &str) -> Option<Self> {
        let mut segments = path.split('/');
        let protocol = segments.next()?;
        if protocol.is_empty() || !protocol.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let transport = segments.next().unwrap_or_default();
        let sid = segments.next().unwrap_or_default();
        // A trailing slash is allowed, a fourth segment is not.
        if segments.next().is_some_and(|rest| !rest.is_empty()) || segments.next().is_some() {
            return None;
        }
        let leaves =
            || form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "disconnect");
        Some(if protocol != "1" {
            Url::OtherProtocol
        } else if sid.is_empty() {
            // `1//sid/?disconnect`, which names no transport, with its slashes folded.
            match transport {
                sid if !sid.is_empty() && leaves() => Url::Disconnect { sid },
                _ => Url::Handshake,
            }
        } else if leaves() {
            Url::Disconnect { sid }
        } else {
            Url::Open { transport, sid }
        })
    }
}

/// The body of the answer to a handshake. `silence` is the time without packets after which a client
/// reconnects; both timeouts in the answer have this value (§2).
pub fn handshake(sid: &str, silence: Duration, transports: &[&str]) -> String {
    let seconds = silence.as_secs_f64();
    format!("{sid}:{seconds}:{seconds}:{}", transports.join(","))
}

/// The answer to a handshake by JSONP: a script with the body, or with an error message.
pub fn jsonp_handshake(index: u32, answer: Result<&str, &str>) -> Vec<u8> {
    match answer {
        Ok(body) => script(&format!("io.j[{index}]("), body, ");"),
        Err(message) => script(&format!("io.j[{index}](new Error("), message, "));"),
    }
}

/// The number of the callback of a handshake by JSONP. `None` if there is none, or no number: the answer
/// then has the plain form.
pub fn jsonp_index(query: &str) -> Option<u32> {
    let (_, index) = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "jsonp")?;
    index.bytes().all(|b| b.is_ascii_digit()).then(|| index.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let parse = |path| Url::parse(path, "t=1");
        for path in ["1", "1/", "1/anything", "1/anything/"] {
            assert_eq!(parse(path), Some(Url::Handshake), "{path}");
        }
        for path in ["1/xhr-polling/abc", "1/xhr-polling/abc/"] {
            assert_eq!(parse(path), Some(Url::Open { transport: "xhr-polling", sid: "abc" }));
        }
        for (path, query) in [
            ("1//abc/", "disconnect=1"),
            ("1//abc", "disconnect"),
            ("1/abc/", "disconnect=1"),
            ("1/abc", "t=1&disconnect"),
            ("1/websocket/abc", "disconnect"),
            ("1/xhr-polling/abc/", "t=1&disconnect=1"),
        ] {
            assert_eq!(Url::parse(path, query), Some(Url::Disconnect { sid: "abc" }), "{path}");
        }
        assert_eq!(parse("2/"), Some(Url::OtherProtocol));
        assert_eq!(parse("0/websocket/abc"), Some(Url::OtherProtocol));
        for path in ["", "foo/", "1/a/b/c", "1/a/b//c", "socket.io.js"] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn answers() {
        let body = handshake("sid", Duration::from_secs(45), &["websocket", "xhr-polling"]);
        assert_eq!(body, "sid:45:45:websocket,xhr-polling");
        let short = handshake("sid", Duration::from_millis(700), &["htmlfile"]);
        assert_eq!(short, "sid:0.7:0.7:htmlfile");
        assert_eq!(jsonp_handshake(0, Ok("a:1:1:b")), b"io.j[0](\"a:1:1:b\");");
        let failed = jsonp_handshake(7, Err("handshake error"));
        assert_eq!(failed, b"io.j[7](new Error(\"handshake error\"));");
    }

    #[test]
    fn callbacks_are_numbers() {
        assert_eq!(jsonp_index("t=1&jsonp=12"), Some(12));
        for none in ["t=1", "jsonp=", "jsonp=alert", "jsonp=1x", "jsonp=%2B1", "jsonp=-1"] {
            assert_eq!(jsonp_index(none), None, "{none}");
        }
        assert_eq!(jsonp_index("jsonp=99999999999"), None);
    }
}
