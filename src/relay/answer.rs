//! Reads the answer of another node. It was written by [`http::write`](crate::http::write), so that only the
//! forms that are made there are known here: a length, chunks without extensions, or 101.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use tracing::debug;

use super::counts::Open;
use super::pool::{NodeConnection, Pool};
use crate::http::BodyStream;
use crate::http::headers::header_has;
use crate::net::ByteStream;
use crate::net::scratch::with_input;

/// Bytes and headers of the head of an answer.
const MOST_HEAD: usize = 32 * 1024;
const MOST_HEADERS: usize = 64;
/// Digits of the length of a chunk.
const MOST_DIGITS: usize = 16;

/// The head of an answer.
pub(super) struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub framing: Framing,
    /// The connection ends after the answer.
    pub closes: bool,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    Chunks(Chunk),
    /// After the head, the connection is one of another protocol.
    Upgrade,
}

/// Where in a body of chunks the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    /// The end of the line after the data.
    AfterData,
    /// The end of the line after the last chunk.
    AfterLast,
}

/// What the bytes at hand give of a body.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Piece(Bytes),
    /// More has to be read.
    More,
    End,
}

/// Waits for the head of an answer. What is read beyond it is left in `read`.
pub(super) async fn read_head(stream: &ByteStream, read: &mut Vec<u8>) -> io::Result<Head> {
    loop {
        if let Some((length, head)) = parse(read)? {
            read.drain(..length);
            // Only the answer to `Expect`, which is not passed on.
            if head.status != StatusCode::CONTINUE {
                return Ok(head);
            }
        } else if read.len() >= MOST_HEAD {
            return Err(invalid("its head is too long"));
        } else if read_more(stream, read).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Waits for a body of so many bytes.
pub(super) async fn read_whole(
    stream: &ByteStream,
    read: &mut Vec<u8>,
    length: usize,
) -> io::Result<Bytes> {
    while read.len() < length {
        if read_more(stream, read).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    let rest = read.split_off(length);
    Ok(std::mem::replace(read, rest).into())
}

async fn read_more(stream: &ByteStream, read: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| poll_more(stream, read, cx)).await
}

fn poll_more(
    stream: &ByteStream,
    read: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    with_input(|room| {
        let count = ready!(stream.poll_read(cx, room))?;
        read.extend_from_slice(&room[..count]);
        Poll::Ready(Ok(count))
    })
}

/// Parses a head, if it is there as a whole; says how long it is.
fn parse(read: &[u8]) -> io::Result<Option<(usize, Head)>> {
    let mut parsed = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut parsed);
    let length = match response.parse(read) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(invalid("it is not HTTP")),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| invalid("it has no status"))?;
    let mut headers = HeaderMap::with_capacity(response.headers.len() + 4);
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(header.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(invalid("a header cannot be"));
        };
        headers.append(name, value);
    }
    let framing = framing(status, &headers)?;
    let closes = header_has(&headers, CONNECTION, "close");
    // These are for the connection between the nodes.
    for name in
        [CONNECTION, HeaderName::from_static("keep-alive"), DATE, CONTENT_LENGTH, TRANSFER_ENCODING]
    {
        headers.remove(name);
    }
    Ok(Some((length, Head { status, headers, framing, closes })))
}

fn framing(status: StatusCode, headers: &HeaderMap) -> io::Result<Framing> {
    match status {
        StatusCode::SWITCHING_PROTOCOLS => return Ok(Framing::Upgrade),
        StatusCode::CONTINUE | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => {
            return Ok(Framing::Length(0));
        }
        _ => {}
    }
    if header_has(headers, TRANSFER_ENCODING, "chunked") {
        return Ok(Framing::Chunks(Chunk::Size));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.map(Framing::Length).ok_or_else(|| invalid("its length is not known"))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

impl Framing {
    /// Takes the next piece of a body out of what was read.
    fn step(&mut self, read: &mut Vec<u8>) -> io::Result<Step> {
        match self {
            Framing::Upgrade => Err(invalid("it has no body")),
            Framing::Length(0) => Ok(Step::End),
            Framing::Length(left) => Ok(take(read, left)),
            Framing::Chunks(chunk) => loop {
                *chunk = match chunk {
                    Chunk::Size => match line(read)? {
                        None => return Ok(Step::More),
                        Some(0) => Chunk::AfterLast,
                        Some(length) => Chunk::Data(length),
                    },
                    Chunk::Data(0) => Chunk::AfterData,
                    Chunk::Data(left) => return Ok(take(read, left)),
                    Chunk::AfterData | Chunk::AfterLast if read.len() < 2 => {
                        return Ok(Step::More);
                    }
                    Chunk::AfterData | Chunk::AfterLast => {
                        if !read.starts_with(b"\r\n") {
                            return Err(invalid("a chunk does not end where it should"));
                        }
                        read.drain(..2);
                        match chunk {
                            Chunk::AfterLast => return Ok(Step::End),
                            _ => Chunk::Size,
                        }
                    }
                };
            },
        }
    }
}

/// Takes what is there of `left` bytes.
fn take(read: &mut Vec<u8>, left: &mut u64) -> Step {
    if read.is_empty() {
        return Step::More;
    }
    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
    *left -= most as u64;
    let rest = read.split_off(most);
    Step::Piece(std::mem::replace(read, rest).into())
}

/// Takes the line with the length of a chunk, if it is there.
fn line(read: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let Some(end) = read.windows(2).position(|bytes| bytes == b"\r\n") else {
        return match read.len() > MOST_DIGITS + 1 {
            true => Err(invalid("a chunk has no length")),
            false => Ok(None),
        };
    };
    // As when it comes byte by byte.
    if end > MOST_DIGITS {
        return Err(invalid("a chunk has no length"));
    }
    let digits = std::str::from_utf8(&read[..end]).ok();
    let digits = digits.filter(|it| it.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let length = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    read.drain(..end + 2);
    length.map(Some).ok_or_else(|| invalid("a chunk has no length"))
}

/// A body that comes piece by piece. Dropped before its end, it ends the connection, which tells the owner that
/// the client has gone.
pub(super) struct Coming {
    connection: Option<NodeConnection>,
    /// Where the connection goes in the end; nowhere if it cannot be used again.
    pool: Option<Arc<Pool>>,
    read: Vec<u8>,
    framing: Framing,
    length: Option<u64>,
    open: Open,
}

impl Coming {
    /// The body after a head. `read` has what was read of it.
    pub fn new(
        connection: NodeConnection,
        pool: Option<Arc<Pool>>,
        read: Vec<u8>,
        framing: Framing,
        open: Open,
    ) -> Self {
        let length = if let Framing::Length(length) = framing { Some(length) } else { None };
        Coming { connection: Some(connection), pool, read, framing, length, open }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let Some(connection) = &self.connection else { return Poll::Ready(Ok(None)) };
            match self.framing.step(&mut self.read)? {
                Step::Piece(piece) => {
                    self.open.counts().to_client(piece.len());
                    return Poll::Ready(Ok(Some(piece)));
                }
                Step::More => {
                    self.read.shrink_to_fit();
                    if ready!(poll_more(&connection.stream, &mut self.read, cx))? == 0 {
                        return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
                    }
                }
                Step::End => {
                    let connection = self.connection.take().filter(|_| self.read.is_empty());
                    if let Some((connection, pool)) = connection.zip(self.pool.take()) {
                        pool.give_back(connection);
                    }
                }
            }
        }
    }
}

impl Stream for Coming {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let piece = ready!(self.poll_piece(cx)).unwrap_or_else(|error| {
            debug!(reason = %error, "an answer of another node is not there to its end");
            self.connection = None;
            None
        });
        Poll::Ready(piece)
    }
}

impl BodyStream for Coming {
    fn length(&self) -> Option<u64> {
        self.length
    }

    /// The owner has ended the connection: it has ended the session, or is gone itself.
    fn has_ended(&self) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.stream.has_ended())
    }
}

/// Reads an answer that comes in pieces of `size` bytes: its status, its body, and how many bytes are left. `None` if it is
/// none, or not whole. For the properties of `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub fn in_pieces(bytes: &[u8], size: usize) -> Option<(u16, Vec<u8>, usize)> {
    let (mut read, mut coming) = (Vec::new(), bytes.chunks(size.max(1)));
    let mut head = loop {
        match parse(&read).ok()? {
            Some((length, head)) => {
                read.drain(..length);
                break head;
            }
            None => read.extend_from_slice(coming.next()?),
        }
    };
    let mut body = Vec::new();
    while head.framing != Framing::Upgrade {
        match head.framing.step(&mut read).ok()? {
            Step::Piece(piece) => body.extend_from_slice(&piece),
            Step::More => read.extend_from_slice(coming.next()?),
            Step::End => break,
        }
    }
    let left = read.len() + coming.map(<[u8]>::len).sum::<usize>();
    Some((head.status.as_u16(), body, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of a body that comes in pieces of so many bytes, and what is left behind it.
    fn body(mut framing: Framing, bytes: &[u8], size: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut read, mut all, mut coming) = (Vec::new(), Vec::new(), bytes.chunks(size));
        loop {
            match framing.step(&mut read)? {
                Step::Piece(piece) => all.extend_from_slice(&piece),
                Step::End => {
                    read.extend(coming.flatten());
                    return Ok((all, read));
                }
                Step::More => match coming.next() {
                    Some(more) => read.extend_from_slice(more),
                    None => return Err(ErrorKind::UnexpectedEof.into()),
                },
            }
        }
    }

    #[test]
    fn bodies_end_where_they_end_however_they_come() {
        let chunks = Framing::Chunks(Chunk::Size);
        for (framing, bytes, expected) in [
            (Framing::Length(0), "next", Some(("", "next"))),
            (Framing::Length(3), "abcnext", Some(("abc", "next"))),
            (Framing::Length(3), "ab", None),
            (
                chunks,
                "3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nnext",
                Some(("abc0123456789", "next")),
            ),
            (chunks, "0\r\n\r\n", Some(("", ""))),
            (chunks, "3\r\nabc\r\n0\r\n\r", None),
            (chunks, "3\r\nabcd\r\n0\r\n\r\n", None),
            (chunks, "3;a=b\r\nabc\r\n0\r\n\r\n", None),
            (chunks, "-3\r\nabc\r\n0\r\n\r\n", None),
            (chunks, "\r\n", None),
            (chunks, "11111111111111111111111111111111", None),
            (chunks, "fffffffffffffffff\r\n", None),
        ] {
            for size in 1..=bytes.len() {
                let found = body(framing, bytes.as_bytes(), size).ok();
                let expected = expected.map(|(all, rest): (&str, &str)| {
                    (all.as_bytes().to_vec(), rest.as_bytes().to_vec())
                });
                assert_eq!(found, expected, "{bytes:?} by {size}");
            }
        }
    }

    #[test]
    fn heads_are_for_the_client_but_for_what_is_between_the_nodes() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\n\
                    Set-Cookie: b=2\r\nConnection: close\r\nKeep-Alive: timeout=60\r\n\
                    Content-Length: 7\r\nDate: today\r\n\r\nbody";
        let (length, parsed) = parse(head.as_bytes()).unwrap().unwrap();
        assert_eq!(&head[length..], "body");
        assert_eq!((parsed.status, parsed.framing), (StatusCode::OK, Framing::Length(7)));
        assert!(parsed.closes);
        let names: Vec<&str> = parsed.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "set-cookie"]);
        assert_eq!(parsed.headers.get_all("set-cookie").iter().count(), 2);
        for (head, expected) in [
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
                Some(Framing::Upgrade),
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", Some(Framing::Length(0))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                Some(Framing::Chunks(Chunk::Size)),
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", None),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
        ] {
            let framing = parse(head.as_bytes()).ok().flatten().map(|(_, head)| head.framing);
            assert_eq!(framing, expected, "{head:?}");
        }
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap().is_none());
    }
}
