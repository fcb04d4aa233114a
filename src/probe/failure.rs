//! Why a step did not work.

use std::collections::VecDeque;
use std::io;

use super::http::Answer;

/// What 0.9 says of a session that it does not have: not shaken hands, come again.
const UNKNOWN_09: &[u8] = b"7:::1+0";

/// Why a step did not work, in the words of the page's client: one word for programs, one line for people.
#[derive(Debug)]
pub(super) struct Failure {
    /// The fact `code`.
    pub code: &'static str,
    pub text: String,
    /// The answer that was not what it should be.
    pub answer: Option<Box<Answer>>,
    /// The WebSocket or the stream had been opened, and nothing came over it.
    pub opened: bool,
}

impl Failure {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Failure { code, text: text.into(), answer: None, opened: false }
    }

    /// Nothing came in time.
    pub fn timeout() -> Self {
        Failure::new("timeout", "no answer in time")
    }

    /// The fact `connect` of a connection that could not be made.
    pub fn connect(&self) -> &'static str {
        match self.code {
            "timeout" => "timeout",
            _ => "refused",
        }
    }

    /// The connection was opened, and a message got no answer.
    pub fn silent(text: impl Into<String>) -> Self {
        Failure::new("silent", text)
    }

    /// The connection ended.
    pub fn cut(text: impl Into<String>) -> Self {
        Failure::new("cut", text)
    }

    /// The other side ended the session or connection in the way of its protocol.
    pub fn closed(text: impl Into<String>) -> Self {
        Failure::new("closed", text)
    }

    /// The server ended the session by the first of these packets.
    pub fn ended(packets: &VecDeque<String>) -> Self {
        let unknown = packets.iter().any(|packet| packet.as_bytes() == UNKNOWN_09);
        let code = if unknown { "unknown-session" } else { "closed" };
        Failure::new(
            code,
            if unknown { "Session ID unknown" } else { "the server ended the session" },
        )
    }

    /// What came is not what the protocol says.
    pub fn garbled(text: impl Into<String>) -> Self {
        Failure::new("garbled", text)
    }

    /// Another answer than the one that opens or carries a session.
    pub fn answered(answer: Answer) -> Self {
        let code = match answer.engine_code() {
            Some(1) => "unknown-session",
            _ if answer.body.starts_with(UNKNOWN_09) => "unknown-session",
            Some(4) => "forbidden",
            _ if answer.status == 403 && answer.is_engine() => "forbidden",
            _ => "refused",
        };
        let text = answer.words();
        Failure { answer: Some(Box::new(answer)), ..Failure::new(code, text) }
    }

    pub fn io(error: &io::Error) -> Self {
        let text = match error.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
            io::ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
            io::ErrorKind::UnexpectedEof => "the connection ended".to_owned(),
            _ => error.to_string(),
        };
        Failure::new("cut", text)
    }
}
