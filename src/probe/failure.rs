//! Why a step did not work.

use std::io;

use super::http::Answer;

/// Why a step did not work, in the words of the page's client: one word for programs, one line for people.
#[derive(Debug)]
pub(super) struct Failure {
    /// The fact `code`.
    pub code: &'static str,
    pub text: String,
    /// The answer that was not what it should be.
    pub answer: Option<Box<Answer>>,
}

impl Failure {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Failure { code, text: text.into(), answer: None }
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

    /// What came is not what the protocol says.
    pub fn garbled(text: impl Into<String>) -> Self {
        Failure::new("garbled", text)
    }

    /// Another answer than the one that opens or carries a session.
    pub fn answered(answer: Answer) -> Self {
        let code = match answer.engine_code() {
            Some(1) => "unknown-session",
            Some(4) => "forbidden",
            _ if answer.status == 403 && answer.is_engine() => "forbidden",
            _ => "refused",
        };
        let text = answer.words();
        Failure { code, text, answer: Some(Box::new(answer)) }
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
