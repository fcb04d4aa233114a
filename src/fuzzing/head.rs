//! The parser of request heads, compared with hyper.
//!
//! The server reads a connection with both, in turns. If they saw different requests in the same bytes, a
//! client could hide a request in another one.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::fallback;
use crate::http::head::{Head, Parsed, parse};
use crate::server::{HttpLimits, Mount};

/// hyper accepts each request that our parser accepts, as the same one: method, path, headers, body. If our
/// parser only finds the length of a request, that is right. If our parser waits for more, so does hyper.
pub fn head(data: &[u8]) {
    let (limits, mount) = (HttpLimits::default(), Mount::from("/socket.io/"));
    let requests = by_hyper(data, &limits);
    let (mut rest, mut requests) = (data, requests.iter());
    let mut over = false;
    while rest.len() <= limits.max_header_bytes || requests.len() > 0 {
        let theirs = requests.next();
        let ours = parse(rest, &limits, Some(&mount));
        check_prefix(rest, &limits, &mount, &ours);
        let whole = match (ours, theirs) {
            (Parsed::Whole(_), theirs) if over => {
                assert!(theirs.is_none(), "a request after the last");
                return;
            }
            (Parsed::Whole(head), Some(theirs)) => {
                check_same(&head, theirs, &rest[head.size..]);
                over = head.close;
                head.size + head.length
            }
            (Parsed::Whole(head), None) => {
                panic!("not for hyper: {} {} {:?}", head.method, head.uri, head.headers)
            }
            (Parsed::Unsupported { whole: Some(whole) }, Some(theirs)) => {
                let body = theirs.length.expect("of known length") as usize;
                let size = whole.checked_sub(body).expect("longer than its body");
                assert!(size <= rest.len(), "its head ended elsewhere");
                assert!(rest[size..].starts_with(&theirs.body), "another body");
                over = theirs.ends;
                whole
            }
            // hyper has the connection from here on.
            (Parsed::Unsupported { .. }, _) => return,
            (Parsed::Partial, Some(theirs)) if rest.len() <= limits.max_header_bytes => {
                panic!("waited for more of {} {}", theirs.head.method, theirs.head.uri)
            }
            (Parsed::Partial, _) => return,
        };
        let Some(behind) = rest.get(whole..) else { return };
        rest = behind;
    }
}

/// A prefix of a head is incomplete, wherever it is cut.
fn check_prefix(bytes: &[u8], limits: &HttpLimits, mount: &Mount, ours: &Parsed) {
    let Parsed::Whole(head) = ours else { return };
    let cut = bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>() % head.size;
    match parse(&bytes[..cut], limits, Some(mount)) {
        Parsed::Whole(_) => panic!("a head before its end"),
        Parsed::Unsupported { .. } => panic!("a piece of a plain head is odd"),
        Parsed::Partial => {}
    }
}

fn check_same(ours: &Head, theirs: &Request, behind: &[u8]) {
    assert_eq!((&ours.method, &ours.uri), (&theirs.head.method, &theirs.head.uri));
    assert_eq!(ours.headers, theirs.head.headers);
    assert_eq!(theirs.length, Some(ours.length as u64), "of the body");
    assert!(behind.starts_with(&theirs.body), "another body");
    assert_eq!(theirs.whole, ours.length <= behind.len(), "of the body");
}

/// A request that hyper found.
struct Request {
    head: http::request::Parts,
    /// Bytes of its body, if its head gives them.
    length: Option<u64>,
    /// The part of the body that came.
    body: Vec<u8>,
    /// Whether all of the body came.
    whole: bool,
    /// Whether the connection ends after it.
    ends: bool,
}

/// All requests that hyper finds in the bytes of a client.
fn by_hyper(data: &[u8], limits: &HttpLimits) -> Vec<Request> {
    let requests = RefCell::new(Vec::<Request>::new());
    let service = service_fn(|request: http::Request<Incoming>| async {
        let (head, mut body) = request.into_parts();
        let length = body.size_hint().exact();
        let ends = head.version != http::Version::HTTP_11
            || crate::http::headers::header_has(&head.headers, http::header::CONNECTION, "close");
        requests.borrow_mut().push(Request { head, length, body: Vec::new(), whole: false, ends });
        while let Some(Ok(frame)) = body.frame().await {
            if let (Ok(data), Some(last)) = (frame.into_data(), requests.borrow_mut().last_mut()) {
                last.body.extend_from_slice(&data);
            }
        }
        if let Some(last) = requests.borrow_mut().last_mut() {
            last.whole = last.length.is_none_or(|length| length == last.body.len() as u64);
        }
        // A success of CONNECT would end HTTP on this connection.
        let mut answer = http::Response::new(Empty::<Bytes>::new());
        *answer.status_mut() = http::StatusCode::NOT_FOUND;
        Ok::<_, Infallible>(answer)
    });
    let client = TokioIo::new(Client(data));
    let mut connection =
        Box::pin(fallback::hyper_builder(limits).serve_connection(client, service));
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    // Polls until the connection ends, or waits for bytes that do not come.
    while woken.0.swap(false, Ordering::Relaxed)
        && connection.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
    {}
    drop(connection);
    requests.into_inner()
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that sends these bytes, keeps its connection open, and reads every answer.
struct Client<'a>(&'a [u8]);

impl AsyncRead for Client<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let (now, later) = self.0.split_at(self.0.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
