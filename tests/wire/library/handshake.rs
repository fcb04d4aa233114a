//! What an application sees of the request that opened a session.

use std::future::ready;
use std::time::{Duration, SystemTime};

use http::HeaderName;
use http::header::{COOKIE, USER_AGENT};
use parlance::server::HttpLimits;
use parlance::socketio::{Io, Socket};
use serde_json::json;

use super::openings::{SERVERS, WAYS, Way, serve};
use crate::support::apps::Echo;
use crate::support::http::Header;
use crate::support::packets::Eio;
use crate::support::server::Setup;

const HEADERS: [Header<'static>; 5] = [
    ("Cookie", "a=1"),
    ("X-Twice", "one"),
    ("X-Other", "other"),
    ("X-Twice", "two"),
    ("X-Forwarded-For", "192.0.2.7"),
];

#[tokio::test]
async fn url_headers_address_scheme_and_time_of_every_opening() {
    let twice = HeaderName::from_static("x-twice");
    for embedded in SERVERS {
        let setup = Setup {
            embedded,
            mount: ("/chat/", "/socket.io/"),
            trusted_proxies: &["127.0.0.1"],
            ..Setup::default()
        };
        let names = [COOKIE, twice.clone(), USER_AGENT];
        let server = serve(setup, Echo, |negotiator| negotiator.keep_headers(names)).await;
        for (way, proto) in WAYS.iter().flat_map(|way| [(*way, "http"), (*way, "https")]) {
            let before = SystemTime::now() - Duration::from_millis(1);
            let headers = [&HEADERS[..], &[("X-Forwarded-Proto", proto)]].concat();
            // As a proxy joins paths that doubles a slash.
            let path = "/chat//socket.io/";
            let opened = way.open(&server, path, &headers).await;
            let row = format!("{way:?} {proto} {embedded} {:?}", opened.answer);
            let session = server.engine.session(&opened.sid.expect(&row)).expect(&row);
            let handshake = session.handshake();
            assert_eq!(handshake.url(), Some(&*format!("{path}{}", way.target())), "{row}");
            assert_eq!(handshake.headers().keys_len(), 2, "{row}: {:?}", handshake.headers());
            assert_eq!(handshake.headers()[COOKIE], "a=1", "{row}");
            let values: Vec<_> = handshake.headers().get_all(&twice).iter().collect();
            assert_eq!(values, ["one", "two"], "{row}");
            assert_eq!(handshake.remote, Some([192, 0, 2, 7].into()), "{row}");
            assert_eq!(handshake.secure, proto == "https", "{row}");
            assert_eq!(handshake.generation, way.generation(), "{row}");
            assert!((before..=SystemTime::now()).contains(&handshake.time()), "{row}");
        }
    }
}

#[tokio::test]
async fn nothing_is_kept_for_applications_that_ask_for_nothing() {
    let server = serve(Setup::default(), Echo, |negotiator| negotiator).await;
    for way in WAYS {
        let opened = way.open(&server, "/socket.io/", &HEADERS).await;
        let session = server.engine.session(&opened.sid.unwrap()).unwrap();
        assert!(session.handshake().request.is_none(), "{way:?}");
        assert_eq!(session.handshake().url(), None);
        assert!(session.handshake().headers().is_empty());
    }
}

#[tokio::test]
async fn what_is_kept_of_a_request_has_a_bound() {
    for embedded in SERVERS {
        let http = HttpLimits { max_header_bytes: 64 * 1024, ..HttpLimits::default() };
        let setup = Setup { http, embedded, ..Setup::default() };
        let server = serve(setup, Echo, |negotiator| negotiator.keep_all_headers()).await;
        for way in WAYS.into_iter().filter(|way| !way.is_websocket()) {
            let url = format!("/socket.io/{}", way.target());
            // The Host of the tests, and two headers.
            let room = 16 * 1024 - url.len() - "parlance.test".len() - 2 * 128;
            let value = "v".repeat(room + 1);
            let open = async |length| {
                let headers = [("X-Long", &value[..length])];
                way.open(&server, "/socket.io/", &headers).await
            };
            let opened = open(room).await;
            let session = server.engine.session(&opened.sid.expect("it fits")).unwrap();
            assert_eq!(session.handshake().headers().len(), 2, "{way:?}");
            assert_eq!(session.handshake().headers()["x-long"].len(), room);
            let refused = open(room + 1).await;
            let why = "what is kept of the request is over 16384 bytes";
            match way {
                Way::V09 => {
                    let text = refused.answer.text();
                    assert_eq!(
                        (refused.answer.status, text),
                        (400, &*format!("handshake error: {why}"))
                    );
                }
                Way::V09Jsonp => assert!(refused.answer.text().contains(why)),
                _ => {
                    refused.answer.assert_error(400, 3, "Bad request");
                    assert_eq!(refused.answer.json()["reason"], why);
                }
            }
        }
    }
}

#[tokio::test]
async fn sockets_and_other_nodes_see_it() {
    let io = Io::new();
    io.of("/").on_connect(|socket: Socket| {
        let handshake = socket.handshake();
        let agent = handshake.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        socket.emit("seen", (agent, handshake.url(), handshake.secure));
        ready(())
    });
    let keep = io.clone();
    let server = serve(Setup::default(), keep, |it| it.keep_all_headers()).await;
    let headers = [("User-Agent", "old"), ("X-Twice", "one"), ("X-Twice", "two")];
    let opened = Way::Polling(Eio::V3).open(&server, "/socket.io/", &headers).await;
    let url = "/socket.io/?EIO=3&transport=polling";
    let event = format!("42{}", json!(["seen", "old", url, false]));
    let sid = opened.sid.unwrap();
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    let mut told = text(&opened.answer.body);
    while !told.contains(&event) {
        told = text(&server.get(&format!("EIO=3&transport=polling&sid={sid}")).await.body);
    }
    let sockets = io.of("/").fetch_sockets().await.unwrap();
    let session = server.engine.session(&sid).unwrap();
    assert_eq!(
        *sockets[0].handshake(),
        json!({
            "address": "127.0.0.1",
            "headers": { "host": "parlance.test", "user-agent": "old", "x-twice": "one, two" },
            "issued": session.handshake().issued,
            "secure": false,
            "url": url,
            "query": {},
            "auth": {},
        })
    );
}
