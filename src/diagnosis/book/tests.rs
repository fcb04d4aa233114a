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
    let tell = || (0..100).filter(|_| book.may_tell(session.sid(), rate)).count();
    assert_eq!(tell(), 10);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(tell(), 1);
    session.close(CloseReason::ClientClosed);
    assert_eq!(tell(), 0);
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
    let loss = json!({ "transport": "websocket", "step": "carrying", "code": "closed" });
    let cause = |lost| book.hear(&session, &told(&loss), lost).cause;
    assert_eq!(cause(None), "cut");
    assert_eq!(cause(Some(lost.sid())), "policy-changed");
    assert_eq!(cause(Some(Sid::random().unwrap())), "cut", "another's session");
}
