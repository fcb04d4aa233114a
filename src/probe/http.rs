//! HTTP/1.1 as a client that sees everything: status and headers of any answer, an answer to an upgrade,
//! the time at which each piece of a body came. Whatever comes is bounded.

use std::io::Write as _;
use std::time::Duration;

use flate2::write::GzDecoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant as Deadline, timeout_at};

use super::failure::Failure;
use super::way::{Link, Way};

/// Bytes of a head, of a body, and of one read.
const HEAD: usize = 64 * 1024;
const BODY: usize = 2 * 1024 * 1024;
const READ: usize = 16 * 1024;
/// Header lines of an answer.
const LINES: usize = 128;
/// Characters of a text of the server that are shown.
const WORDS: usize = 160;

/// A request.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn get(target: impl Into<String>) -> Self {
        Ask { method: "GET", target: target.into(), ..Ask::default() }
    }

    pub fn delete(target: impl Into<String>) -> Self {
        Ask { method: "DELETE", ..Ask::get(target) }
    }

    pub fn post(target: impl Into<String>, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type", content_type.to_owned())];
        Ask { method: "POST", target: target.into(), headers, body }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn head(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        let has = |name: &str| self.headers.iter().any(|(known, _)| *known == name);
        if !has("Connection") {
            head.push_str("Connection: close\r\n");
        }
        // As browsers do: some proxies compress, and keep what they have meanwhile.
        head.push_str("User-Agent: parlance-diagnose\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// An answer; its body may still come.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub status: u16,
    /// It is HTTP/1.0.
    pub old: bool,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// All lines of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// `text/html`
    pub fn content_type(&self) -> Option<String> {
        let kind = self.header("content-type")?.split(';').next()?;
        Some(kind.trim().to_ascii_lowercase())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The `code` of an error of Engine.IO.
    pub fn engine_code(&self) -> Option<u64> {
        let json = self.json()?;
        json.get("message")?.as_str()?;
        json.get("code")?.as_u64()
    }

    /// The field of Parlance's errors that others do not have.
    pub fn reason(&self) -> Option<String> {
        Some(self.json()?.get("reason")?.as_str()?.to_owned())
    }

    /// Whether an error is that of an engine, not of a proxy.
    pub fn is_engine(&self) -> bool {
        const SPOKEN: [&str; 6] = [
            "handshake",
            "Bad request",
            "Transport unknown",
            "Session ID unknown",
            "Forbidden: ",
            "Service unavailable: ",
        ];
        self.engine_code().is_some()
            || SPOKEN.iter().any(|text| self.body.starts_with(text.as_bytes()))
    }

    /// Status, and what the body says if people can read it.
    pub fn words(&self) -> String {
        if let Some(to) = self.header("location").filter(|_| (300..400).contains(&self.status)) {
            return format!("{}, to {}", self.status, shown(to));
        }
        let told = self.json().and_then(|json| {
            let text = |key: &str| Some(json.get(key)?.as_str()?.to_owned());
            let message = text("message")?;
            Some(text("reason").map_or_else(|| message.clone(), |why| format!("{message}: {why}")))
        });
        let plain = (self.is_engine() && self.body.len() < 2000).then(|| self.text());
        match told.or(plain) {
            Some(words) => format!("{}, {}", self.status, shown(&words)),
            None => self.status.to_string(),
        }
    }
}

/// Text of a server as it may stand on a terminal.
pub(super) fn shown(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let cut: String = text.trim().chars().take(WORDS).map(clean).collect();
    if text.trim().chars().count() > WORDS { format!("{cut}…") } else { cut }
}

/// How the end of a body is told.
enum Framing {
    Length(u64),
    /// Bytes of the chunk that are still to come; `None` before its size.
    Chunked(Option<u64>),
    UntilEnd,
    Over,
}

/// A body that comes.
pub(super) struct Incoming {
    pub link: Link,
    /// What was read and not yet taken.
    pub buffer: Vec<u8>,
    framing: Framing,
    /// The body is compressed.
    gzip: Option<Box<GzDecoder<Vec<u8>>>>,
}

impl Way {
    /// Sends a request on a new connection, and reads the head of the answer.
    pub async fn ask(&self, ask: &Ask) -> Result<(Answer, Incoming), Failure> {
        let link = self.connect().await?;
        let deadline = Deadline::now() + self.patience;
        match timeout_at(deadline, send(link, ask, &self.host)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::timeout()),
        }
    }

    /// The whole answer, within `patience` beyond that of the way.
    pub async fn fetch_within(&self, ask: &Ask, patience: Duration) -> Result<Answer, Failure> {
        let work = async {
            let link = self.connect().await?;
            let (mut answer, mut incoming) = send(link, ask, &self.host).await?;
            while let Some(piece) = incoming.piece().await? {
                answer.body.extend_from_slice(&piece);
                if answer.body.len() > BODY {
                    return Err(Failure::garbled("the answer is longer than any can be"));
                }
            }
            Ok(answer)
        };
        match timeout_at(Deadline::now() + self.patience + patience, work).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::timeout()),
        }
    }

    /// A good answer, and when its body had in it what is looked for; `None` if that never came.
    pub async fn fetch_until(
        &self,
        ask: Ask,
        found: impl Fn(&str) -> bool,
    ) -> Option<(Answer, Deadline)> {
        let (mut answer, mut incoming) = self.ask(&ask).await.ok()?;
        let deadline = Deadline::now() + self.patience;
        while answer.status == 200 && answer.body.len() <= BODY {
            let piece = timeout_at(deadline, incoming.piece()).await.ok()?.ok()??;
            answer.body.extend_from_slice(&piece);
            if found(&answer.text()) {
                return Some((answer, Deadline::now()));
            }
        }
        None
    }

    /// The whole answer.
    pub async fn fetch(&self, ask: &Ask) -> Result<Answer, Failure> {
        self.fetch_within(ask, Duration::ZERO).await
    }
}

async fn send(mut link: Link, ask: &Ask, host: &str) -> Result<(Answer, Incoming), Failure> {
    let mut bytes = ask.head(host);
    bytes.extend_from_slice(&ask.body);
    // A server that refuses a long body may answer before it has read all of it.
    let sent = async { link.write_all(&bytes).await.and(link.flush().await) }.await;
    let mut incoming = Incoming { link, buffer: Vec::new(), framing: Framing::Over, gzip: None };
    loop {
        match parse(&incoming.buffer)? {
            Some((answer, length)) => {
                incoming.buffer.drain(..length);
                // 100 and 103 come before the answer.
                if (100..200).contains(&answer.status) && answer.status != 101 {
                    continue;
                }
                incoming.framing = framing(&answer);
                let gzip = answer.header("content-encoding").is_some_and(|it| it == "gzip");
                incoming.gzip = gzip.then(|| Box::new(GzDecoder::new(Vec::new())));
                return Ok((answer, incoming));
            }
            None if incoming.buffer.len() > HEAD => {
                return Err(Failure::garbled("the head of the answer is longer than any can be"));
            }
            None => {}
        }
        match incoming.read().await {
            Ok(true) => {}
            Ok(false) if incoming.buffer.is_empty() => {
                return Err(Failure::cut("the connection was closed without an answer"));
            }
            Ok(false) => {
                return Err(Failure::cut("the connection was closed in the head of the answer"));
            }
            Err(error) => return Err(sent.err().map_or(error, |error| Failure::io(&error))),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Failure> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut response = httparse::Response::new(&mut lines);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let headers = response.headers.iter();
            let headers = headers.map(|line| {
                (line.name.to_owned(), String::from_utf8_lossy(line.value).into_owned())
            });
            let (status, old) = (response.code.unwrap_or_default(), response.version == Some(0));
            let answer = Answer { status, old, headers: headers.collect(), body: Vec::new() };
            Ok(Some((answer, length)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => {
            let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
            Err(Failure::garbled(format!("no HTTP: {}", shown(&begin))))
        }
    }
}

fn framing(answer: &Answer) -> Framing {
    let chunked = |value: &&str| value.to_ascii_lowercase().contains("chunked");
    if matches!(answer.status, 204 | 304) {
        Framing::Over
    } else if answer.status == 101 {
        Framing::UntilEnd
    } else if answer.all("transfer-encoding").iter().any(chunked) {
        Framing::Chunked(None)
    } else if let Some(length) = answer.header("content-length").and_then(|text| text.parse().ok())
    {
        Framing::Length(length)
    } else {
        Framing::UntilEnd
    }
}

impl Incoming {
    /// Reads more; `false` at the end.
    async fn read(&mut self) -> Result<bool, Failure> {
        let before = self.buffer.len();
        self.buffer.reserve(READ);
        let read = (&mut self.link).take(READ as u64).read_buf(&mut self.buffer).await;
        read.map_err(|error| Failure::io(&error))?;
        Ok(self.buffer.len() > before)
    }

    fn take(&mut self, most: u64) -> Vec<u8> {
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.drain(..count).collect()
    }

    /// The next piece of the body, not compressed; `None` at its end. Cancel-safe.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let piece = self.raw_piece().await?;
            let (Some(piece), Some(gzip)) = (&piece, &mut self.gzip) else { return Ok(piece) };
            let unpacked = gzip.write_all(piece).and_then(|()| gzip.flush());
            unpacked.map_err(|why| Failure::garbled(format!("no gzip: {why}")))?;
            if !gzip.get_ref().is_empty() {
                return Ok(Some(std::mem::take(gzip.get_mut())));
            }
        }
    }

    /// The next piece as it comes.
    async fn raw_piece(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            match self.framing {
                Framing::Over | Framing::Length(0) => return Ok(None),
                Framing::Length(left) if !self.buffer.is_empty() => {
                    let piece = self.take(left);
                    self.framing = Framing::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Framing::UntilEnd if !self.buffer.is_empty() => {
                    return Ok(Some(self.take(u64::MAX)));
                }
                Framing::Chunked(Some(left)) if left > 0 && !self.buffer.is_empty() => {
                    let piece = self.take(left);
                    self.framing = Framing::Chunked(Some(left - piece.len() as u64));
                    return Ok(Some(piece));
                }
                // The line break behind a chunk.
                Framing::Chunked(Some(0)) if self.buffer.len() >= 2 => {
                    self.take(2);
                    self.framing = Framing::Chunked(None);
                    continue;
                }
                Framing::Chunked(None) => match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete((_, 0))) => {
                        self.framing = Framing::Over;
                        continue;
                    }
                    Ok(httparse::Status::Complete((length, size))) => {
                        self.take(length as u64);
                        self.framing = Framing::Chunked(Some(size));
                        continue;
                    }
                    Ok(httparse::Status::Partial) if self.buffer.len() < READ => {}
                    _ => return Err(Failure::garbled("the chunks of the answer have no sizes")),
                },
                _ => {}
            }
            if !self.read().await? {
                return match self.framing {
                    Framing::UntilEnd => Ok(None),
                    _ => Err(Failure::cut("the answer ended early")),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests;
