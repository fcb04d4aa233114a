//! Compressed answers to polls, as of the reference servers: gzip, from 1024 bytes on, if it is asked for.

use std::io::Read as _;

use parlance::engine::Limits;

use crate::support::apps::Echo;
use crate::support::http::{Answer, Header, Http};
use crate::support::packets::{Eio, Packet, form, octet_payload, read_answer, text_payload};
use crate::support::server::{Setup, TestServer};

/// The process compresses so much at once, and no more: one test at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A polling session, one request after the other.
struct Session {
    http: Http,
    target: String,
    eio: Eio,
}

impl Session {
    async fn open(server: &TestServer, eio: Eio, more: &str) -> Self {
        let mut http = Http::open(server.addr).await;
        let query = eio.query();
        let base = format!("/socket.io/?{query}&transport=polling{more}");
        let opened = http.get(&base).await;
        let text = String::from_utf8_lossy(&opened.body).replace('\\', "");
        let sid = text.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Session { http, target: format!("{base}&sid={}", sid.expect("a sid")), eio }
    }

    async fn post(&mut self, packet: &Packet) {
        let (eio, packets) = (self.eio, std::slice::from_ref(packet));
        let binary = matches!(packet, Packet::Binary(_)) && eio == Eio::V3;
        let (kind, body) = match self.target.contains("&j=") {
            true => ("application/x-www-form-urlencoded", form(&text_payload(eio, packets)).into()),
            false if binary => ("application/octet-stream", octet_payload(packets)),
            false => ("text/plain;charset=UTF-8", text_payload(eio, packets).into_bytes()),
        };
        let headers = [("Content-Type", kind)];
        self.http.request("POST", &self.target, &headers, &body).await.assert_ok();
    }

    async fn poll(&mut self, headers: &[Header<'_>]) -> Answer {
        self.http.request("GET", &self.target, headers, b"").await
    }
}

/// Decodes an answer. True if it was compressed.
fn decode(answer: &mut Answer) -> bool {
    match answer.header("content-encoding") {
        None => false,
        Some("gzip") => {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&*answer.body);
            decoder.read_to_end(&mut plain).expect("gzip");
            answer.body = plain;
            true
        }
        Some(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn answers_are_compressed_if_it_is_asked_for() {
    let _alone = ALONE.lock().await;
    let off = Limits { http_compression: false, ..Limits::default() };
    for limits in [Limits::default(), off] {
        let on = limits.http_compression;
        let server = Setup::limits(limits).start(Echo).await;
        for eio in Eio::ALL {
            for more in ["", "&b64=1", "&j=0"] {
                for binary in [false, true] {
                    for (accept, asked) in [
                        ("gzip, deflate, br, zstd", true),
                        ("gzip;q=0", false),
                        ("identity", false),
                        ("", false),
                    ] {
                        let mut session = Session::open(&server, eio, more).await;
                        for (length, large) in [(10, false), (3000, true), (900, false)] {
                            let packet = match binary {
                                true => Packet::Binary(vec![b'x'; length]),
                                false => Packet::Text(format!("4{}", "x".repeat(length))),
                            };
                            // Base64 and escapes make it longer.
                            let large = large
                                || binary && length == 900 && !(eio == Eio::V3 && more.is_empty());
                            session.post(&packet).await;
                            let accept = [("Accept-Encoding", accept)];
                            let accept = if accept[0].1.is_empty() { &[] } else { &accept[..] };
                            let mut answer = session.poll(accept).await;
                            let what = format!("{on} {eio:?} {more} {binary} {accept:?} {length}");
                            let length = answer.body.len();
                            assert_eq!(decode(&mut answer), on && asked && large, "{what}");
                            assert!(!(on && asked && large) || length < 200, "{what}: {length}");
                            let vary = (on && large).then_some("Accept-Encoding");
                            assert_eq!(answer.header("vary"), vary, "{what}");
                            assert_eq!(read_answer(eio, &answer), [packet], "{what}");
                        }
                    }
                }
            }
        }
    }
}

/// Of a session that waits the packets come the short way, unless they are to be compressed.
#[tokio::test]
async fn polls_that_wait_are_answered_so_too() {
    let _alone = ALONE.lock().await;
    let server = Setup::default().start(Echo).await;
    for eio in Eio::ALL {
        let mut waiting = Session::open(&server, eio, "&b64=1").await;
        let target = waiting.target.clone();
        let mut other = Session { http: Http::open(server.addr).await, target, eio };
        for (length, compressed) in [(10, false), (3000, true), (100_000, true), (10, false)] {
            let ask = [("Accept-Encoding", "gzip")];
            let packet = Packet::Text(format!("4{}", "y".repeat(length)));
            let (mut answer, ()) = tokio::join!(waiting.poll(&ask), other.post(&packet));
            assert_eq!(decode(&mut answer), compressed, "{eio:?} {length}");
            assert_eq!(read_answer(eio, &answer), [packet]);
        }
    }
}
