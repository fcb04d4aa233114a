//! The book, told of events. Long because each kind of cause has a table here.

use serde_json::json;

use super::super::causes::Certainty;
use super::*;
use crate::engine::testing::{Deaf, POLLING, SOCKET, new_session};
use crate::engine::{Engine, Limits, NewSession, UpgradeFailure, WebSocketEnd};

fn engine() -> (Engine, Arc<Book>) {
    let book = Arc::<Book>::default();
    (Engine::observed(Limits::default(), Deaf, Arc::clone(&book) as _), book)
}

fn polling(engine: &Engine) -> Arc<Session> {
    engine.open(NewSession { upgrades: &["websocket"], ..new_session(&POLLING) }).unwrap()
}

fn told(value: &serde_json::Value) -> Facts {
    Facts::from_client(value.as_object().unwrap())
}

fn cause(book: &Book, session: &Session) -> (&'static str, &'static str) {
    let verdict = book.verdict(session.sid()).unwrap();
    (verdict.cause, verdict.certainty.name())
}

#[tokio::test(start_paused = true)]
async fn the_server_names_what_it_sees_alone() {
    use SessionEvent::{ProbeAnswered, Probing, Refused, TakenBack, UpgradeFailed, WebSocketEnded};
    const WS: &str = "websocket";
    let after = Duration::from_secs(1);
    let failed = |reason| UpgradeFailed { tried: WS, stays: "xhr-polling", after, reason };
    let refused = |label| Refused { transport: WS, label, reason: "why" };
    let back = |reason| TakenBack { tried: WS, to: "xhr-polling", reason };
    let cut = WebSocketEnded { end: WebSocketEnd::Cut, after };
    let garbled = WebSocketEnded { end: WebSocketEnd::Garbled, after };
    let probing = Probing { transport: WS };
    let answered = ProbeAnswered { transport: WS };
    let (engine, book) = engine();
    for (events, expected) in [
        (vec![], ("not-tried", "unknown")),
        (vec![refused("upgrade-missing")], ("upgrade-header-dropped", "certain")),
        (vec![refused("connection-missing")], ("connection-header-dropped", "certain")),
        (vec![refused("http10")], ("proxy-http10", "certain")),
        (vec![refused("key")], ("upgrade-request-changed", "likely")),
        (vec![refused("websockets")], ("websockets-full", "certain")),
        (vec![refused("breaker")], ("breaker-open", "certain")),
        (vec![probing, failed(UpgradeFailure::NoProbe)], ("frames-up-lost", "likely")),
        (
            vec![probing, answered, failed(UpgradeFailure::NotSettled)],
            ("frames-down-lost", "likely"),
        ),
        (vec![probing, cut, failed(UpgradeFailure::Ended)], ("cut-after-open", "likely")),
        (vec![probing, garbled, failed(UpgradeFailure::Ended)], ("frames-changed", "certain")),
        (
            vec![probing, answered, back(UpgradeFailure::UnconfirmedSilent)],
            ("frames-lost", "likely"),
        ),
        // What was before a new attempt has nothing to do with it.
        (
            vec![refused("http10"), probing, failed(UpgradeFailure::NoProbe)],
            ("frames-up-lost", "likely"),
        ),
    ] {
        let session = polling(&engine);
        events.iter().for_each(|event| session.tell(event));
        assert_eq!(cause(&book, &session), expected, "{events:?}");
        assert_eq!(
            book.report(session.sid()).unwrap().timeline.moments().count(),
            1 + events.len()
        );
    }
    assert_eq!(book.verdict(engine.open(new_session(&SOCKET)).unwrap().sid()), None, "a WebSocket");
}

#[tokio::test(start_paused = true)]
async fn what_the_client_saw_is_put_together_with_what_the_server_saw() {
    let (engine, book) = engine();
    let session = polling(&engine);
    let blocked = json!({ "transport": "websocket", "step": "open", "code": "cut", "ms": 7, "http-status": 400, "http-by": "parlance" });
    let verdict = book.hear(&session, &told(&blocked), None);
    assert_eq!((verdict.cause, verdict.certainty), ("upgrade-blocked", Certainty::Certain));
    assert_eq!(cause(&book, &session), ("upgrade-blocked", "certain"));
    // The server is believed rather than the client, who may not invent what the server saw.
    let liar = json!({ "transport": "websocket", "step": "open", "code": "cut", "upgrade-fault": "http10", "upgrade-seen": "accepted", "refusal": "breaker" });
    assert_eq!(book.hear(&session, &told(&liar), None).cause, "upgrade-blocked");
    session.tell(&SessionEvent::Refused {
        transport: "websocket",
        label: "upgrade-missing",
        reason: "no Upgrade",
    });
    assert_eq!(book.hear(&session, &told(&blocked), None).cause, "upgrade-header-dropped");
    // A loss was another session's.
    let loss = json!({ "transport": "websocket", "step": "carrying", "code": "ping", "silent-ms": 45_000 });
    assert_eq!(book.hear(&session, &told(&loss), None).cause, "fell-silent");
    assert_eq!(cause(&book, &session).0, "upgrade-header-dropped");
    assert_eq!(
        book.causes(),
        [("fell-silent", 1), ("upgrade-blocked", 2), ("upgrade-header-dropped", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_late_have_a_cause_if_the_server_is_late() {
    let (engine, book) = engine();
    let session = polling(&engine);
    let late = json!({ "transport": "websocket", "step": "carrying", "rtt-ms": 700 });
    let moments = || book.report(session.sid()).unwrap().timeline.moments().count();
    let before = moments();
    assert!(!book.hear(&session, &told(&late), None).is_known());
    assert_eq!((moments(), book.causes()), (before, vec![]), "a slow network is no event");
    book.lateness.looked(Duration::from_millis(3600));
    assert_eq!(book.hear(&session, &told(&late), None).cause, "server-slow");
    assert_eq!((moments(), book.causes()), (before + 1, vec![("server-slow", 1)]));
}

/// Parlance's client tries the next transport at once, and what it tells of the first comes after that.
#[tokio::test(start_paused = true)]
async fn what_the_client_tells_of_one_transport_is_not_mixed_with_what_came_of_the_next() {
    use SessionEvent::{Confirmed, ProbeAnswered, Probing, Refused, Upgraded};
    let (engine, book) = engine();
    let session = polling(&engine);
    let reason = "no Upgrade";
    session.tell(&Refused { transport: "websocket", label: "upgrade-missing", reason });
    let (from, transport, after) = ("xhr-polling", "eventsource", Duration::from_millis(9));
    session.tell(&Probing { transport });
    session.tell(&ProbeAnswered { transport });
    session.tell(&Upgraded { from, to: transport, after });
    session.tell(&Confirmed { transport });
    let blocked = json!({ "transport": "websocket", "step": "open", "code": "cut", "ms": 7 });
    let verdict = book.hear(&session, &told(&blocked), None);
    assert_eq!((verdict.cause, verdict.certainty), ("upgrade-header-dropped", Certainty::Certain));
    let unheard = json!({ "transport": "htmlfile", "step": "open", "code": "timeout", "ms": 8000 });
    assert_eq!(
        book.hear(&session, &told(&unheard), None).certainty,
        Certainty::Likely,
        "not seen here"
    );
    let silent =
        json!({ "transport": "eventsource", "step": "probe", "code": "timeout", "ms": 8000 });
    assert_eq!(book.hear(&session, &told(&silent), None).certainty, Certainty::Certain);
}

#[tokio::test(start_paused = true)]
async fn ended_sessions_are_remembered_with_their_cause() {
    let (engine, book) = engine();
    let (one, other) = (polling(&engine), polling(&engine));
    tokio::time::advance(Duration::from_secs(3)).await;
    one.close(CloseReason::ClientClosed);
    other.close(CloseReason::Moved("transport"));
    let ended = book.ended();
    let of = |n: usize| (ended[n].sid, ended[n].verdict.as_ref().map(|verdict| verdict.cause));
    assert_eq!(of(1), (one.sid(), None), "people who leave are no fault");
    assert_eq!(of(0), (other.sid(), Some("policy-changed")));
    assert_eq!(ended[0].lasted, Duration::from_secs(3));
    let timeline = book.report(one.sid()).unwrap().timeline;
    assert_eq!(timeline.moments().last().unwrap().name, "closed");
    for _ in 0..ENDED {
        polling(&engine).close(CloseReason::ClientClosed);
    }
    assert_eq!(book.ended().len(), ENDED);
    assert!(book.report(one.sid()).is_none());
    assert!(
        book.open.iter().all(|shard| lock(shard).is_empty()),
        "nothing stays of closed sessions"
    );
}

#[tokio::test(start_paused = true)]
async fn equal_silences_before_losses_are_a_time_out() {
    let (engine, book) = engine();
    let mut causes = Vec::new();
    for lasted in [30, 90, 300] {
        let session = engine.open(new_session(&SOCKET)).unwrap();
        tokio::time::advance(Duration::from_secs(lasted)).await;
        let silent = Duration::from_secs(30);
        let reason = CloseReason::TransportLost;
        let closed = SessionEvent::Closed { reason, transport: "websocket", silent };
        session.tell(&closed);
        let verdict = book.ended()[0].verdict.clone().unwrap();
        causes.push((verdict.cause, verdict.certainty));
    }
    use Certainty::{Certain, Likely};
    assert_eq!(causes, [("cut", Likely), ("idle-timeout", Likely), ("idle-timeout", Certain)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_tells_only_so_much() {
    let (engine, book) = engine();
    let session = polling(&engine);
    let rate = Rate::one_per(Duration::from_secs(10), 10);
    let tell = || (0..100).filter(|_| book.may_tell(&session, rate)).count();
    assert_eq!(tell(), 10);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(tell(), 1);
    session.close(CloseReason::ClientClosed);
    assert_eq!(tell(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_tells_and_tests_only_as_much_as_ten_sessions() {
    type May = fn(&Book, &Session, Rate) -> bool;
    let (engine, book) = engine();
    let rate = Rate::one_per(Duration::from_secs(10), 10);
    let sessions: Vec<_> = (0..50).map(|_| polling(&engine)).collect();
    for (may, others) in [(Book::may_tell as May, 100), (Book::may_test as May, 100)] {
        let taken = sessions.iter().flat_map(|session| (0..20).map(move |_| session));
        let taken = taken.filter(|session| may(&book, session, rate)).count();
        assert_eq!(taken, others);
        let mut elsewhere = new_session(&POLLING);
        elsewhere.handshake.bucket = [192, 0, 2, 99].into();
        let elsewhere = engine.open(elsewhere).unwrap();
        assert!(may(&book, &elsewhere, rate), "another address");
    }
    // After the time in which all of it comes back nothing is remembered of them.
    tokio::time::advance(Duration::from_secs(1000)).await;
    let mut addresses = lock(&book.addresses);
    addresses.sweep(Instant::now());
    assert_eq!(addresses.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_log_waits_for_the_client_and_tells_once() {
    let counted = |book: &Book| book.causes().iter().map(|(_, count)| count).sum::<u64>();
    let refused =
        SessionEvent::Refused { transport: "websocket", label: "upgrade-missing", reason: "why" };
    let later = |book: &Book, seconds| book.tell_due(Instant::now() + Duration::from_secs(seconds));
    let (engine, book) = engine();
    let stays = polling(&engine);
    stays.tell(&refused);
    later(&book, 4);
    assert_eq!(counted(&book), 0, "it is not time yet");
    later(&book, 5);
    later(&book, 6);
    assert_eq!(counted(&book), 1);
    // Who leaves at once fell back on nothing.
    let leaves = polling(&engine);
    leaves.tell(&refused);
    leaves.close(CloseReason::ClientClosed);
    later(&book, 5);
    assert_eq!(counted(&book), 1);
    // Who has told is not told of again.
    let tells = polling(&engine);
    tells.tell(&refused);
    book.hear(
        &tells,
        &told(&json!({ "transport": "websocket", "step": "open", "code": "cut" })),
        None,
    );
    later(&book, 5);
    assert_eq!(counted(&book), 2);
    // Who has a WebSocket after all did not fall back; nor did whom nobody can name a cause for.
    let upgraded = polling(&engine);
    upgraded.tell(&refused);
    for event in [
        SessionEvent::Probing { transport: "websocket" },
        SessionEvent::Upgraded { from: "xhr-polling", to: "websocket", after: Duration::ZERO },
    ] {
        upgraded.tell(&event);
    }
    let odd = polling(&engine);
    let (tried, stays, after) = ("websocket", "xhr-polling", Duration::ZERO);
    odd.tell(&SessionEvent::Probing { transport: tried });
    let end = WebSocketEnd::Closed;
    odd.tell(&SessionEvent::WebSocketEnded { end, after });
    odd.tell(&SessionEvent::UpgradeFailed { tried, stays, after, reason: UpgradeFailure::Ended });
    later(&book, 5);
    assert_eq!(counted(&book), 2);
    // A flood waits in bounded memory.
    for _ in 0..2 * WAITING {
        polling(&engine).tell(&refused);
    }
    assert_eq!(lock(&book.waiting).len(), WAITING);
}

#[tokio::test(start_paused = true)]
async fn ordinary_ends_are_no_news() {
    let (engine, book) = engine();
    for (reason, news) in [
        (CloseReason::ClientClosed, 0),
        (CloseReason::PingTimeout, 0),
        (CloseReason::ConnectTimeout, 0),
        (CloseReason::ShuttingDown, 0),
        (CloseReason::SlowReader, 1),
        (CloseReason::Malformed("why"), 1),
        (CloseReason::Moved("transport"), 1),
    ] {
        let before: u64 = book.causes().iter().map(|(_, count)| count).sum();
        polling(&engine).close(reason);
        let after: u64 = book.causes().iter().map(|(_, count)| count).sum();
        assert_eq!(after - before, news, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_an_attempt_is_put_to_that_attempt_and_not_to_the_next() {
    let (engine, book) = engine();
    let failed = |transport: &str| {
        told(&json!({ "transport": transport, "step": "open", "code": "cut", "ms": 5 }))
    };
    // No request for the WebSocket came; by the time that the page tells, it tries a stream.
    let session = polling(&engine);
    session.tell(&SessionEvent::Probing { transport: "eventsource" });
    let verdict = book.hear(&session, &failed("websocket"), None);
    assert_eq!((verdict.cause, verdict.certainty), ("upgrade-blocked", Certainty::Certain));
    let facts = json!({ "transport": "eventsource", "step": "open", "code": "timeout" });
    let verdict = book.hear(&session, &told(&facts), None);
    assert_eq!((verdict.cause, verdict.certainty), ("stream-buffered", Certainty::Certain));
    assert!(!book.hear(&session, &failed("htmlfile"), None).is_known());
    // The end of the WebSocket is seen late.
    let session = polling(&engine);
    session.tell(&SessionEvent::Probing { transport: "websocket" });
    session.tell(&SessionEvent::Probing { transport: "eventsource" });
    let (end, after) = (WebSocketEnd::Garbled, Duration::from_millis(9));
    session.tell(&SessionEvent::WebSocketEnded { end, after });
    let facts = json!({ "transport": "websocket", "step": "probe", "code": "cut" });
    assert_eq!(book.hear(&session, &told(&facts), None).cause, "frames-changed");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_loss_is_put_to_the_session_that_was_lost() {
    let (engine, book) = engine();
    let lost = engine.open(new_session(&SOCKET)).unwrap();
    lost.close(CloseReason::Moved("xhr-polling"));
    let session = polling(&engine);
    // The end of its connection comes after its own, and makes no session of it again.
    let (end, after) = (WebSocketEnd::ByServer, Duration::from_millis(9));
    lost.tell(&SessionEvent::WebSocketEnded { end, after });
    assert!(!book.shard(lost.sid()).contains_key(&lost.sid()));
    let ended = book.ended_one(lost.sid()).unwrap();
    assert_eq!(ended.timeline.moments().last().unwrap().name, "WebSocket ended");
    let loss = json!({ "transport": "websocket", "step": "carrying", "code": "closed" });
    let cause = |lost| book.hear(&session, &told(&loss), lost).cause;
    assert_eq!(cause(None), "cut");
    assert_eq!(cause(Some(lost.sid())), "policy-changed");
    assert_eq!(cause(Some(Sid::random().unwrap())), "cut", "another's session");
}

/// Clients of 0.9 open what they like, and another later.
#[tokio::test(start_paused = true)]
async fn a_session_that_moves_to_another_transport_is_no_longer_on_a_websocket() {
    use SessionEvent::{Moved, Refused, WebSocketEnded};
    const WS: &str = "websocket";
    const XHR: &str = "xhr-polling";
    let moved = |from, to| Moved { from, to };
    let after = Duration::from_secs(1);
    let cut = WebSocketEnded { end: WebSocketEnd::Cut, after };
    let garbled = WebSocketEnded { end: WebSocketEnd::Garbled, after };
    let refused = Refused { transport: WS, label: "upgrade-missing", reason: "why" };
    let (engine, book) = engine();
    for (events, expected) in [
        (vec![], None),
        (vec![moved(WS, WS)], None),
        (vec![moved(WS, WS), moved(WS, XHR)], Some(("frames-down-lost", "likely"))),
        (vec![moved(WS, WS), cut, moved(WS, XHR)], Some(("cut-after-open", "likely"))),
        (vec![moved(WS, WS), garbled, moved(WS, XHR)], Some(("frames-changed", "certain"))),
        (vec![refused, moved(WS, XHR)], Some(("upgrade-header-dropped", "certain"))),
        // It opened another than its handshake named first.
        (vec![moved(WS, XHR)], Some(("not-tried", "unknown"))),
        (vec![moved(WS, XHR), moved(XHR, "jsonp-polling")], Some(("not-tried", "unknown"))),
        // It came back.
        (vec![moved(WS, WS), moved(WS, XHR), moved(XHR, WS)], None),
    ] {
        let session = engine.open(new_session(&SOCKET)).unwrap();
        events.iter().for_each(|event| session.tell(event));
        let verdict = book.verdict(session.sid());
        let said = verdict.map(|verdict| (verdict.cause, verdict.certainty.name()));
        assert_eq!(said, expected, "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn why_a_session_fell_back_stays_known_when_it_is_lost() {
    let (engine, book) = engine();
    let blocked = json!({ "transport": "websocket", "step": "open", "code": "cut" });
    for (tells, reason, expected) in [
        (true, CloseReason::TransportLost, "upgrade-blocked"),
        (true, CloseReason::ClientClosed, "upgrade-blocked"),
        (false, CloseReason::TransportLost, "unknown"),
        (true, CloseReason::SlowReader, "slow-reader"),
        (true, CloseReason::Moved("transport"), "policy-changed"),
    ] {
        let session = polling(&engine);
        if tells {
            book.hear(&session, &told(&blocked), None);
        }
        session.close(reason);
        let verdict = book.ended_one(session.sid()).unwrap().verdict.unwrap();
        assert_eq!(verdict.cause, expected, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_settings_leave_out_is_told_and_is_no_failure() {
    let (engine, book) = engine();
    let open = || {
        let session = engine.open(new_session(&POLLING)).unwrap();
        let (transport, label, reason) = ("websocket", "transport", "websocket is not allowed");
        session.tell(&SessionEvent::Withheld { transport, label, reason });
        session
    };
    let session = open();
    assert_eq!(cause(&book, &session), ("transport-not-allowed", "certain"));
    assert!(lock(&book.waiting).is_empty(), "the log has nothing to tell of it");
    assert!(book.shard(session.sid())[&session.sid()].said.is_none(), "it takes no memory");
    session.close(CloseReason::SlowReader);
    let ended = book.ended_one(session.sid()).unwrap();
    assert_eq!(ended.verdict.unwrap().cause, "slow-reader");
    let session = open();
    session.close(CloseReason::ClientClosed);
    assert_eq!(book.ended_one(session.sid()).unwrap().verdict, None);
}

#[tokio::test(start_paused = true)]
async fn refusals_without_a_session_have_a_cause_and_a_place() {
    use crate::admission::{RefusalObserver, Refusals};
    let book = Book::default();
    for (label, cause) in [
        ("transport", "transport-not-allowed"),
        ("origin", "origin-not-allowed"),
        ("unnamed", "origin-not-allowed"),
        ("scheme", "scheme-mismatch"),
        ("sessions", "server-full"),
        ("sessions-per-address", "address-full"),
        ("websockets", "websockets-full"),
        ("handshake-rate", "handshake-rate"),
        ("breaker", "breaker-open"),
        ("max-connections", "connections-full"),
        ("max-connections-per-address", "connections-full"),
        ("open-files", "connections-full"),
    ] {
        let network = Some([192, 0, 2, 7].into());
        let (what, reason, count) = ("requests", "the reason", 3);
        let named = book.refused(&Refusals { what, label, reason, network, count });
        assert_eq!((named.cause, named.certainty), (cause, "certain"), "{label}");
        let events = book.tail().after(None).await;
        let event = events["events"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&event["event"], &event["cause"]), (&json!("refused"), &json!(cause)));
        assert_eq!(event["certainty"], "certain");
        assert_eq!(event["text"], "3 requests of 192.0.2.7: the reason");
        assert!(book.causes().iter().any(|(known, count)| *known == cause && *count >= 3));
    }
}

/// A trial that fails ends the session for the client at once; the server may learn of it later.
#[tokio::test(start_paused = true)]
async fn what_the_next_session_tells_explains_the_last_and_what_this_one_does_without() {
    use SessionEvent::{ProbeAnswered, Probing, Upgraded};
    const WS: &str = "websocket";
    let (engine, book) = engine();
    let trial = json!({ "transport": WS, "step": "trial", "code": "silent", "ms": 5000 });
    let loss = json!({ "transport": WS, "step": "carrying", "code": "cut", "lasted-ms": 9000 });
    for (facts, has_ended, cause, of_this) in [
        (&trial, false, "frames-down-lost", Some("frames-down-lost")),
        (&trial, true, "frames-down-lost", Some("frames-down-lost")),
        // The next session has a WebSocket again.
        (&loss, true, "cut", Some("not-tried")),
    ] {
        let last = polling(&engine);
        for event in [
            Probing { transport: WS },
            ProbeAnswered { transport: WS },
            Upgraded { from: "xhr-polling", to: WS, after: Duration::ZERO },
        ] {
            last.tell(&event);
        }
        if has_ended {
            last.close(CloseReason::TransportLost);
        }
        let session = polling(&engine);
        assert_eq!(book.hear(&session, &told(facts), Some(last.sid())).cause, cause);
        let of = |sid| book.report(sid).unwrap().verdict.map(|verdict| verdict.cause);
        assert_eq!(of(last.sid()), Some(cause), "{facts} {has_ended}");
        assert_eq!(of(session.sid()), of_this, "{facts} {has_ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_a_session_goes_on_is_its_own() {
    let (engine, book) = engine();
    let session = polling(&engine);
    let facts = json!({ "transport": "xhr-polling", "step": "carrying", "code": "http",
        "http-status": 413, "http-by": "other" });
    book.hear(&session, &told(&facts), Some(session.sid()));
    assert_eq!(cause(&book, &session), ("body-limit", "certain"));
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_browser_has_no_websocket_says_so() {
    let (engine, book) = engine();
    let session = polling(&engine);
    let facts = json!({ "transport": "websocket", "step": "open", "code": "unsupported" });
    book.hear(&session, &told(&facts), None);
    assert_eq!(cause(&book, &session), ("browser-cannot", "certain"));
}
