//! Functions of an application that are asked before a session opens, and that add headers to answers.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use parlance::negotiate::{Cookie, EngineRequest, Forbidden};
use parlance::policy::Caps;
use serde_json::json;

use super::openings::{Opened, SERVERS, WAYS, Way, serve};
use crate::support::apps::Echo;
use crate::support::client::{Client, Via};
use crate::support::http::fetch;
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{MOUNT, Setup};
use crate::support::v09::Session09;
use crate::support::ws::{UPGRADE, Ws};

#[tokio::test]
async fn an_application_may_refuse_in_the_form_of_each_generation() {
    for embedded in SERVERS {
        let server = serve(Setup { embedded, ..Setup::default() }, Echo, |negotiator| {
            negotiator.allow_request(|request: EngineRequest| async move {
                tokio::task::yield_now().await;
                match request.headers.get("x-key").map(HeaderValue::as_bytes) {
                    Some(b"good") => Ok(()),
                    Some(_) => Err(Forbidden::new("a <bad> key")),
                    None => Err(Forbidden::default()),
                }
            })
        })
        .await;
        for way in WAYS {
            for (headers, message) in [(&[("X-Key", "bad")][..], "a <bad> key"), (&[], "Forbidden")]
            {
                let opened = way.open(&server, MOUNT, headers).await;
                assert_eq!(opened.sid, None);
                let answer = opened.answer;
                let row = format!("{way:?} {embedded} {answer:?}");
                let is_told = if headers.is_empty() { "" } else { ": a <bad> key" };
                match way {
                    Way::V09 => {
                        let text = format!("handshake unauthorized{is_told}");
                        assert_eq!((answer.status, answer.text()), (403, &*text), "{row}");
                    }
                    Way::V09Jsonp => {
                        let script =
                            format!("io.j[0](new Error(\"handshake unauthorized{is_told}\"));");
                        assert_eq!((answer.status, answer.text()), (200, &*script), "{row}");
                    }
                    Way::WebSocket(_) => {
                        answer.assert_upgrade_error(&message.replace('<', "&lt;"));
                    }
                    _ => {
                        answer.assert_error(403, 4, message);
                        let whole = json!({ "code": 4, "message": message });
                        assert_eq!(answer.json(), whole, "{row}");
                    }
                }
            }
            let opened = way.open(&server, MOUNT, &[("X-Key", "good")]).await;
            assert!(
                server.engine.session(&opened.sid.expect("it is allowed")).is_some(),
                "{way:?}"
            );
        }
    }
}

#[tokio::test]
async fn it_sees_the_request_and_hears_of_none_that_the_policy_refuses() {
    let seen = Arc::<Mutex<Vec<EngineRequest>>>::default();
    for embedded in SERVERS {
        let setup = Setup {
            embedded,
            origins: &["https://page.test"],
            trusted_proxies: &["127.0.0.1"],
            ..Setup::default()
        };
        let noted = Arc::clone(&seen);
        let server = serve(setup, Echo, |negotiator| {
            negotiator.allow_request(move |request| {
                noted.lock().unwrap().push(request);
                ready(Ok(()))
            })
        })
        .await;
        for way in WAYS {
            let headers = [
                ("Origin", "https://page.test"),
                ("X-Forwarded-For", "192.0.2.7"),
                ("X-Forwarded-Proto", "https"),
                ("Cookie", "a=1"),
            ];
            let opened = way.open(&server, "//socket.io/", &headers).await;
            assert!(opened.sid.is_some(), "{way:?} {:?}", opened.answer);
            let refused = way.open(&server, MOUNT, &[("Origin", "https://evil.test")]).await;
            assert!(refused.sid.is_none());
            let requests = std::mem::take(&mut *seen.lock().unwrap());
            let [request] = &requests[..] else { panic!("{way:?}: {requests:?}") };
            assert_eq!(*request.url, *format!("//socket.io/{}", way.target()));
            assert_eq!(Some(request.query()), request.url.split_once('?').map(|it| it.1));
            assert_eq!(request.headers["cookie"], "a=1");
            assert_eq!(request.remote, Some([192, 0, 2, 7].into()));
            assert!(request.secure);
            assert_eq!(request.generation, way.generation());
            assert_eq!(request.transport, way.transport(), "{way:?}");
        }
    }
}

#[tokio::test]
async fn it_is_never_asked_about_a_session_that_is_open() {
    let asked = Arc::<Mutex<u32>>::default();
    let counter = Arc::clone(&asked);
    let server = serve(Setup::default(), Echo, |negotiator| {
        negotiator.allow_request(move |_request| {
            *counter.lock().unwrap() += 1;
            ready(Ok(()))
        })
    })
    .await;
    for eio in Eio::ALL {
        for via in Via::ALL {
            let mut client = Client::open(&server, eio, via).await;
            client.send("4hi").await;
            assert_eq!(client.text().await, "4hi");
            assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), 1, "{eio:?} {via:?}");
        }
    }
    let session = Session09::polling(&server).await;
    session.say("3:::hi").await;
    assert!(session.poll().await.ends_with("3:::hi"));
    session.websocket().await;
    assert_eq!(*asked.lock().unwrap(), 1);
    server.assert_gone("abcdefghij0123456789").await;
    assert_eq!(*asked.lock().unwrap(), 1, "nor about one that is none");
}

#[tokio::test]
async fn it_has_a_clock_and_may_fail() {
    for way in WAYS {
        // A server for each: its only place is free again only a moment after a session is over.
        let caps = Caps { sessions: 1, ..Caps::default() };
        let server = serve(Setup { caps, ..Setup::default() }, Echo, |negotiator| {
            let decide = |request: EngineRequest| async move {
                match request.headers.get("x-what").map(HeaderValue::as_bytes) {
                    Some(b"panic") => panic!("as the test wants it"),
                    Some(_) => pending().await,
                    None => Ok(()),
                }
            };
            negotiator.allow_request(decide).allow_request_timeout(Duration::from_millis(300))
        })
        .await;
        for (what, why) in [
            ("sleep", "the application did not decide in time"),
            ("panic", "the application failed to decide"),
        ] {
            let answer = way.open(&server, MOUNT, &[("X-What", what)]).await.answer;
            match way {
                Way::V09 => {
                    assert_eq!(
                        (answer.status, answer.text()),
                        (503, &*format!("handshake error: {why}"))
                    );
                }
                Way::V09Jsonp => assert!(answer.text().contains(why), "{answer:?}"),
                Way::WebSocket(_) => {
                    assert_eq!((answer.status, answer.text()), (503, "Service unavailable"));
                }
                _ => {
                    answer.assert_error(503, 4, "Service unavailable");
                    assert_eq!(answer.json()["reason"], why, "{way:?}");
                }
            }
        }
        // Nothing is left of them: the only place is free.
        way.open(&server, MOUNT, &[]).await.sid.expect("the only place");
    }
}

#[tokio::test]
async fn who_waits_for_the_answer_has_a_place() {
    let caps = Caps { sessions: 1, ..Caps::default() };
    let (release, released) = tokio::sync::watch::channel(false);
    let server = serve(Setup { caps, ..Setup::default() }, Echo, |negotiator| {
        negotiator.allow_request(move |_request| {
            let mut released = released.clone();
            async move {
                let _ = released.wait_for(|released| *released).await;
                Ok(())
            }
        })
    })
    .await;
    let first = Way::Polling(Eio::V4).open(&server, MOUNT, &[]);
    let second = async {
        server.settle().await;
        let refused = Way::Polling(Eio::V4).open(&server, MOUNT, &[]).await;
        release.send_replace(true);
        refused
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.sid.is_some());
    second.answer.assert_error(503, 4, "Service unavailable");
}

/// A server that marks first answers, and all.
async fn marking(embedded: bool) -> crate::support::server::TestServer {
    let name = HeaderName::from_static;
    serve(Setup { embedded, ..Setup::default() }, Echo, |negotiator| {
        let negotiator = negotiator.initial_headers(move |headers, request| {
            headers.insert("x-first", HeaderValue::from_static(request.generation));
            headers.insert("x-both", HeaderValue::from_static("first"));
            headers.append(SET_COOKIE, HeaderValue::from_static("seen=1"));
        });
        negotiator
            .headers(move |headers, request| {
                assert!(request.url.starts_with(MOUNT), "{}", request.url);
                let transport = request.transport.unwrap_or("none");
                headers.insert("x-every", HeaderValue::from_static(transport));
                let both = if headers.contains_key("x-both") { "both" } else { "every" };
                headers.insert("x-both", HeaderValue::from_static(both));
                headers.insert("cache-control", HeaderValue::from_static("no-store, private"));
                // None of these is for an application to set.
                for own in [
                    "connection",
                    "keep-alive",
                    "content-encoding",
                    "content-length",
                    "content-type",
                    "date",
                    "sec-websocket-accept",
                    "sec-websocket-extensions",
                    "sec-websocket-protocol",
                    "sec-websocket-version",
                    "trailer",
                    "transfer-encoding",
                    "upgrade",
                    "access-control-allow-origin",
                ] {
                    headers.insert(name(own), HeaderValue::from_static("7"));
                }
            })
            .cookie(Cookie::default())
    })
    .await
}

#[tokio::test]
async fn headers_and_cookie_go_with_every_answer_that_opens_a_session() {
    for embedded in SERVERS {
        let server = marking(embedded).await;
        for way in WAYS {
            let Opened { answer, sid, .. } = way.open(&server, MOUNT, &[]).await;
            let row = format!("{way:?} {embedded} {answer:?}");
            assert_eq!(answer.header("x-first"), Some(way.generation()), "{row}");
            assert_eq!(answer.header("x-every"), Some(way.transport().unwrap_or("none")), "{row}");
            assert_eq!(answer.header("x-both"), Some("both"), "{row}");
            assert_eq!(answer.header("cache-control"), Some("no-store, private"), "{row}");
            let named = |(name, value): &(String, String)| {
                name.eq_ignore_ascii_case("set-cookie").then(|| value.clone())
            };
            let cookies: Vec<String> = answer.headers.iter().filter_map(named).collect();
            let io = format!("io={}; Path=/; HttpOnly; SameSite=Lax", sid.expect(&row));
            assert_eq!(cookies, [io, "seen=1".to_owned()], "{row}");
            let sevens: Vec<_> = answer.headers.iter().filter(|(_, value)| value == "7").collect();
            assert!(sevens.is_empty(), "{row}");
        }
    }
}

#[tokio::test]
async fn later_answers_have_what_is_for_every_answer_and_refusals_nothing() {
    for embedded in SERVERS {
        let server = marking(embedded).await;
        let assert_later = |answer: &crate::support::http::Answer, transport: &str| {
            assert_eq!(answer.header("x-every"), Some(transport), "{embedded} {answer:?}");
            assert_eq!(answer.header("x-both"), Some("every"));
            assert_eq!(answer.header("x-first"), None);
            assert_eq!(answer.header("set-cookie"), None);
        };
        for eio in Eio::ALL {
            let mut polls = Polls::open(&server, eio.query()).await;
            // One that is parked, and answered by whoever has packets.
            let parked = polls.park(&server).await;
            let post = polls.post(eio.framed("4hi")).await;
            post.assert_ok();
            assert_later(&post, "xhr-polling");
            let answer = parked.answer().await;
            assert!(answer.body.ends_with(b"4hi"));
            assert_later(&answer, "xhr-polling");
            let (ws, answer) = Ws::attempt(server.addr, &polls.upgrade_target(), &UPGRADE).await;
            assert!(ws.is_some());
            assert_later(&answer, "websocket");
        }
        let session = Session09::open(&server).await;
        assert_later(&session.get("xhr-polling").await, "xhr-polling");
        let target = session.target("websocket");
        let (ws, answer) = Ws::attempt(server.addr, &target, &UPGRADE).await;
        assert!(ws.is_some());
        assert_later(&answer, "websocket");

        let refused = server.get("EIO=4&transport=polling&sid=abcdefghij0123456789").await;
        assert_eq!((refused.status, refused.header("x-every")), (400, None));
        let refused = server.get("EIO=9&transport=polling").await;
        assert_eq!((refused.status, refused.header("x-every")), (400, None));
        let preflight = server.fetch("OPTIONS", "EIO=4&transport=polling", &[], b"").await;
        assert_eq!((preflight.status, preflight.header("x-every")), (204, None));
        let refused = fetch(server.addr, "GET", "/socket.io/1/?jsonp=0&jsonp=1", &[], b"").await;
        assert_eq!((refused.status, refused.header("set-cookie")), (400, None));
    }
}

#[tokio::test]
async fn there_is_no_cookie_by_default_and_one_alone_if_asked() {
    for cookie in [None, Some(Cookie::named("node").unwrap().path("/chat/").unwrap())] {
        let expects = cookie.is_some();
        let server = serve(Setup::default(), Echo, |negotiator| match cookie {
            Some(cookie) => negotiator.cookie(cookie),
            None => negotiator,
        })
        .await;
        for way in WAYS {
            let Opened { answer, sid, .. } = way.open(&server, MOUNT, &[]).await;
            let value = format!("node={}; Path=/chat/; HttpOnly; SameSite=Lax", sid.unwrap());
            assert_eq!(answer.header("set-cookie"), expects.then_some(&*value), "{way:?}");
        }
        let polls = Polls::open(&server, "EIO=4").await;
        let mut ws = polls.probed().await;
        ws.send("4").await;
        let (_, answer) = Ws::attempt(server.addr, &polls.upgrade_target(), &UPGRADE).await;
        assert_eq!(answer.header("set-cookie"), None, "only the answer that opens a session");
    }
}
