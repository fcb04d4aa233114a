//! The reader of request heads, against the HTTP library.
//!
//! A connection is read by both, in turns. Where they see different requests in the same bytes, one can be
//! hidden in another.

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
use crate::server::HttpLimits;

const MOUNT: &str = "/socket.io/";

/// What our reader takes for a request, the library takes for the same one: method, path, headers, body.
/// Where it only says how long a request is, that is so; and what it waits to be ended has not ended.
pub fn head(data: &[u8]) {
    let limits = HttpLimits::default();
    let heard = by_the_library(data, &limits);
    let (mut rest, mut heard) = (data, heard.iter());
    let mut over = false;
    while rest.len() <= limits.max_header_bytes || heard.len() > 0 {
        let theirs = heard.next();
        let ours = parse(rest, &limits, Some(MOUNT));
        early(rest, &limits, &ours);
        let whole = match (ours, theirs) {
            (Parsed::Whole(_), theirs) if over => {
                assert!(theirs.is_none(), "a request after the last");
                return;
            }
            (Parsed::Whole(head), Some(theirs)) => {
                same(&head, theirs, &rest[head.size..]);
                over = head.close;
                head.size + head.length
            }
            (Parsed::Whole(head), None) => {
                panic!("not for the library: {} {} {:?}", head.method, head.uri, head.headers)
            }
            (Parsed::Unsupported { whole: Some(whole) }, Some(theirs)) => {
                let body = theirs.length.expect("of known length") as usize;
                let size = whole.checked_sub(body).expect("longer than its body");
                assert!(size <= rest.len(), "its head ended elsewhere");
                assert!(rest[size..].starts_with(&theirs.body), "another body");
                over = theirs.ends;
                whole
            }
            // The library has the connection from here on.
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

/// A head that came in two pieces is no other head.
fn early(bytes: &[u8], limits: &HttpLimits, ours: &Parsed) {
    let Parsed::Whole(head) = ours else { return };
    let cut = bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>() % head.size;
    match parse(&bytes[..cut], limits, Some(MOUNT)) {
        Parsed::Whole(_) => panic!("a head before its end"),
        Parsed::Unsupported { .. } => panic!("a piece of a plain head is odd"),
        Parsed::Partial => {}
    }
}

fn same(ours: &Head, theirs: &Heard, behind: &[u8]) {
    assert_eq!((&ours.method, &ours.uri), (&theirs.head.method, &theirs.head.uri));
    assert_eq!(ours.headers, theirs.head.headers);
    assert_eq!(theirs.length, Some(ours.length as u64), "of the body");
    assert!(behind.starts_with(&theirs.body), "another body");
    assert_eq!(theirs.whole, ours.length <= behind.len(), "of the body");
}

/// A request that the library heard.
struct Heard {
    head: http::request::Parts,
    /// Bytes of its body, where its head says so.
    length: Option<u64>,
    /// What came of the body.
    body: Vec<u8>,
    /// All of it came.
    whole: bool,
    /// The client said that it is the last.
    ends: bool,
}

/// All requests that the library finds in what a client sends.
fn by_the_library(data: &[u8], limits: &HttpLimits) -> Vec<Heard> {
    let heard = RefCell::new(Vec::<Heard>::new());
    let service = service_fn(|request: http::Request<Incoming>| async {
        let (head, mut body) = request.into_parts();
        let length = body.size_hint().exact();
        let ends = head.version != http::Version::HTTP_11
            || crate::http::headers::header_has(&head.headers, http::header::CONNECTION, "close");
        heard.borrow_mut().push(Heard { head, length, body: Vec::new(), whole: false, ends });
        while let Some(Ok(frame)) = body.frame().await {
            if let (Ok(data), Some(heard)) = (frame.into_data(), heard.borrow_mut().last_mut()) {
                heard.body.extend_from_slice(&data);
            }
        }
        if let Some(heard) = heard.borrow_mut().last_mut() {
            heard.whole = heard.length.is_none_or(|length| length == heard.body.len() as u64);
        }
        // Success would end HTTP on this connection, if the request is CONNECT.
        let mut answer = http::Response::new(Empty::<Bytes>::new());
        *answer.status_mut() = http::StatusCode::NOT_FOUND;
        Ok::<_, Infallible>(answer)
    });
    let client = TokioIo::new(Client(data));
    let mut connection = Box::pin(fallback::reader(limits).serve_connection(client, service));
    let news = Arc::new(News(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&news));
    // It is over, or waits for what does not come.
    while news.0.swap(false, Ordering::Relaxed)
        && connection.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
    {}
    drop(connection);
    heard.into_inner()
}

struct News(AtomicBool);

impl Wake for News {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that has sent all that it sends, stays, and reads every answer.
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
