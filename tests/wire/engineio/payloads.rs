//! Polling payloads, both ways (engineio.md §4, §5, vectors 5-11).

use parlance::policy::{Eio3Polls, Pattern, Rule};

use crate::support::apps::{Echo, Heard, stage, tap};
use crate::support::http::Http;
use crate::support::packets::{Eio, Packet, octet_payload, read_answer};
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::server::{Setup, TestServer};

async fn stage_server() -> TestServer {
    Setup::default().start_app(stage().0).await
}

/// A Socket.IO session in the default namespace.
async fn joined(server: &TestServer, query: &str) -> Polls {
    let mut session = Polls::open(server, query).await;
    if session.eio == Eio::V4 {
        session.say("40").await;
    }
    if session.early.is_empty() {
        assert!(session.texts().await[0].starts_with("40"));
    }
    session
}

const TEXT: &str = "text/plain; charset=UTF-8";
const OCTETS: &str = "application/octet-stream";

/// A setting, because no client says by its first request which form it reads.
#[tokio::test]
async fn the_form_of_polls_is_a_setting() {
    let python = || Rule {
        name: "python".into(),
        agents: vec![Pattern::new("python-requests/*")],
        eio3_polls: Some(Eio3Polls::Text),
        ..Rule::default()
    };
    let (text, octets) = (TEXT, OCTETS);
    for (eio3_polls, rules, agent, query, expected) in [
        (Eio3Polls::Octets, vec![], "a", "EIO=3", octets),
        (Eio3Polls::Octets, vec![], "a", "EIO=3&b64=1", text),
        (Eio3Polls::Octets, vec![], "a", "EIO=4", text),
        (Eio3Polls::Text, vec![], "a", "EIO=3", text),
        (Eio3Polls::Text, vec![], "a", "EIO=2&t=1395000000000-0", text),
        (Eio3Polls::Text, vec![], "a", "EIO=4", text),
        (Eio3Polls::Octets, vec![python()], "python-requests/2.31", "EIO=3", text),
        (Eio3Polls::Octets, vec![python()], "Mozilla/5.0", "EIO=3", octets),
    ] {
        let case = format!("{eio3_polls} {} {agent} {query}", rules.len());
        let server = Setup { eio3_polls, rules, ..Setup::default() }.start(Echo).await;
        let query = format!("{query}&transport=polling");
        let open = server.fetch("GET", &query, &[("User-Agent", agent)], b"").await;
        assert_eq!(open.header("content-type"), Some(expected), "{case}");
        let eio = if query.contains("EIO=4") { Eio::V4 } else { Eio::V3 };
        let sid = sid_of(&read_open(&read_answer(eio, &open)[0]));
        // The rest of the session has the form of its handshake, whatever is in force now.
        server.gate.apply(Setup::default().policy(), &server.engine);
        let query = format!("{query}&sid={sid}");
        server.fetch("POST", &query, &[], eio.framed("4a").as_bytes()).await.assert_ok();
        let poll = server.get(&query).await;
        assert_eq!(poll.header("content-type"), Some(expected), "{case}");
        assert_eq!(read_answer(eio, &poll), ["4a".into()], "{case}");
    }
    // Binary data has one form only, which servers of 2.x send to such clients, too.
    let setup = Setup { eio3_polls: Eio3Polls::Text, ..Setup::default() };
    let server = setup.start(Echo).await;
    for (query, form) in [("EIO=3", OCTETS), ("EIO=3&b64=1", TEXT)] {
        let mut session = Polls::open(&server, query).await;
        session.send(&["4a".into(), Packet::Binary(vec![1, 2])]).await;
        let answer = session.get().await;
        assert_eq!(answer.header("content-type"), Some(form), "{query}");
        let packets = read_answer(Eio::V3, &answer);
        assert_eq!(packets, ["4a".into(), Packet::Binary(vec![1, 2])], "{query}");
    }
}

#[tokio::test]
async fn vector_5_a_binary_event_in_text() {
    let server = stage_server().await;
    let mut session = joined(&server, "EIO=3&b64=1").await;
    session.post("42:451-[\"echo\",{\"_placeholder\":true,\"num\":0}]6:b4AQID").await.assert_ok();
    let answer = session.get().await;
    assert_eq!(answer.text(), "42:451-[\"echo\",{\"_placeholder\":true,\"num\":0}]6:b4AQID");
}

#[tokio::test]
async fn vector_6_a_binary_event_in_octets() {
    let server = stage_server().await;
    let header = "451-[\"echo\",\"€\",{\"_placeholder\":true,\"num\":0}]";
    let body = [&[0, 4, 8, 0xff], header.as_bytes(), &[1, 4, 0xff, 4, 9, 8, 7]].concat();
    for content_type in
        [OCTETS, "Application/Octet-Stream", "application/octet-stream; charset=binary"]
    {
        let mut session = joined(&server, "EIO=3").await;
        session.post_as(content_type, &body).await.assert_ok();
        let packets = session.poll().await;
        // Everything beyond ASCII is escaped to clients of this protocol.
        let echoed = "451-[\"echo\",\"\\u20ac\",{\"_placeholder\":true,\"num\":0}]";
        assert_eq!(packets, [echoed.into(), Packet::Binary(vec![9, 8, 7])], "{content_type}");
    }
}

#[tokio::test]
async fn the_captured_octets_of_a_binary_event() {
    let server = stage_server().await;
    let mut session = joined(&server, "EIO=3").await;
    let header =
        "452-[\"bin\",{\"_placeholder\":true,\"num\":0},{\"a\":{\"_placeholder\":true,\"num\":1}}]";
    let packets = [header.into(), Packet::Binary(vec![1, 2, 3]), Packet::Binary(vec![0xff, 0])];
    session.send(&packets).await;
    let answer = session.get().await;
    assert_eq!(answer.header("content-type"), Some(OCTETS));
    let attachments = [1, 4, 0xff, 4, 1, 2, 3, 1, 3, 0xff, 4, 0xff, 0];
    assert_eq!(answer.body, [&[0, 7, 7, 0xff], header.as_bytes(), &attachments].concat());
}

#[tokio::test]
async fn the_captured_text_of_a_binary_event() {
    let server = stage_server().await;
    let mut session = joined(&server, "EIO=4").await;
    let payload = "452-[\"bin\",{\"_placeholder\":true,\"num\":0},{\"a\":{\"_placeholder\":true,\"num\":1}}]\x1ebAQID\x1eb/wA=";
    session.post(payload).await.assert_ok();
    assert_eq!(session.get().await.text(), payload);
}

#[tokio::test]
async fn vector_9_two_events_in_order() {
    let server = stage_server().await;
    let mut session = joined(&server, "EIO=4").await;
    session.post("42[\"multi\",1]\x1e42[\"multi\",2]").await.assert_ok();
    assert_eq!(session.get().await.text(), "42[\"multi\",1]\x1e42[\"multi\",2]");
}

#[tokio::test]
async fn vector_10_a_binary_event_in_protocol_4() {
    let server = stage_server().await;
    let mut session = joined(&server, "EIO=4").await;
    let payload = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID";
    session.post(payload).await.assert_ok();
    assert_eq!(session.get().await.text(), payload);
}

#[tokio::test]
async fn vector_11_garbage_ends_the_session_after_an_ok() {
    let garbage: [(Eio, &[&[u8]]); 2] = [
        (
            Eio::V4,
            &[
                b"abc",
                b"",
                b"7",
                b"4a\x1e",
                b"\x1e4a",
                b"4a\x1e9",
                b"b*?",
                b"4a\x1e\x1e4b",
                b"\xff",
            ],
        ),
        (
            Eio::V3,
            &[
                b"abc",
                b"",
                b"4a",
                b"1:7",
                b"2:4",
                b"-1:4",
                b":4",
                b"1;4",
                b"2:4a2",
                b"3:b5A",
                b"99999999999:4",
                b"1:\xff",
            ],
        ),
    ];
    let server = Setup::default().start(Echo).await;
    for (eio, bodies) in garbage {
        for body in bodies {
            let mut session = Polls::open(&server, &format!("{}&b64=1", eio.query())).await;
            session.post(body).await.assert_ok();
            let answer = session.get().await;
            assert_eq!(answer.status, 400, "{eio:?} {body:?}");
            answer.assert_error(400, 1, "Session ID unknown");
        }
    }
}

#[tokio::test]
async fn garbage_in_octets_ends_the_session() {
    let server = Setup::default().start(Echo).await;
    let bodies: [&[u8]; 9] = [
        b"",
        &[0],
        &[0, 1],
        &[0, 0xff],
        &[2, 1, 0xff, b'2'],
        &[0, 9, 0xff, b'4'],
        &[0, b'1', 0xff, b'4'],
        &[1, 2, 0xff, b'4', b'a'],
        &[0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0xff, b'4'],
    ];
    for body in bodies {
        let mut session = Polls::open(&server, "EIO=3").await;
        session.post_as(OCTETS, body).await.assert_ok();
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test]
async fn protocol_4_has_no_octets() {
    let server = Setup::default().start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let answer = session.post_as(OCTETS, b"4a").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    session.get().await.assert_error(400, 1, "Session ID unknown");
}

#[tokio::test]
async fn any_other_content_type_is_text() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "x/y", "", "octet-stream"]
        {
            session.post_as(content_type, eio.framed("4€")).await.assert_ok();
            assert_eq!(heard.text().await, "€", "{eio:?} {content_type}");
        }
        // As old XDomainRequests are sent.
        let query = format!("{}&transport=polling&sid={}", eio.query(), session.sid);
        let answer = server.fetch("POST", &query, &[], eio.framed("4none").as_bytes()).await;
        answer.assert_ok();
        assert_eq!(heard.text().await, "none");
    }
}

#[tokio::test]
async fn base64_is_read_as_leniently_as_node_reads_it() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    for (eio, prefix) in [(Eio::V4, "b"), (Eio::V3, "b4")] {
        let mut session = Polls::open(&server, &format!("{}&b64=1", eio.query())).await;
        for form in ["+/+/AQ==", "-_-_AQ==", "+/+/AQ", "-_-_AQ"] {
            session.say(&format!("{prefix}{form}")).await;
            assert_eq!(
                heard.next().await,
                Heard::Binary(vec![0xfb, 0xff, 0xbf, 1].into()),
                "{form}"
            );
        }
        session.say(prefix).await;
        assert_eq!(heard.next().await, Heard::Binary(vec![].into()), "nothing is data too");
    }
}

#[tokio::test]
async fn an_attachment_may_come_in_a_later_post() {
    let server = stage_server().await;
    for query in ["EIO=4", "EIO=3", "EIO=3&b64=1"] {
        let mut session = joined(&server, query).await;
        let header =
            "452-[\"echo\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
        session.say(header).await;
        session.send(&[Packet::Binary(vec![1])]).await;
        session.send(&[Packet::Binary(vec![2])]).await;
        let echoed = [header.into(), Packet::Binary(vec![1]), Packet::Binary(vec![2])];
        assert_eq!(session.poll().await, echoed, "{query}");
    }
}

#[tokio::test]
async fn the_bundles_that_post_everything_in_octets() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    let mut session = Polls::open(&server, "EIO=2&t=1395000000000-0").await;
    let body = octet_payload(&["4a€".into(), Packet::Binary(vec![0xff]), "4b".into()]);
    session.post_as(OCTETS, &body).await.assert_ok();
    assert_eq!(heard.text().await, "a€");
    assert_eq!(heard.next().await, Heard::Binary(vec![0xff].into()));
    assert_eq!(heard.text().await, "b");
}

#[tokio::test]
async fn a_post_is_answered_when_its_packets_have_been_taken() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        for n in 0..50 {
            let packets: Vec<Packet> =
                (0..20).map(|m| format!("4{n}.{m}").as_str().into()).collect();
            session.send(&packets).await;
            for m in 0..20 {
                assert_eq!(heard.now(), Some(Heard::Text(format!("{n}.{m}"))));
            }
            assert_eq!(heard.now(), None);
        }
    }
}

#[tokio::test]
async fn a_poll_is_held_until_there_is_something_and_then_gets_all() {
    let server = Setup::default().start(Echo).await;
    for query in ["EIO=4", "EIO=3", "EIO=3&b64=1", "EIO=3&j=0&b64=1"] {
        let mut session = Polls::open(&server, query).await;
        let parked = session.park(&server).await;
        session.say("4a").await;
        assert_eq!(parked.packets().await, ["4a".into()], "{query}");
        session.send(&["4b".into(), Packet::Binary(vec![0, 0xff])]).await;
        session.say("4c").await;
        assert_eq!(
            session.poll().await,
            ["4b".into(), Packet::Binary(vec![0, 0xff]), "4c".into()],
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_body_may_come_in_chunks_and_in_pieces() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    let session = Polls::open(&server, "EIO=4").await;
    let mut http = Http::open(server.addr).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        session.target()
    );
    for piece in [&head, "3\r\n4on\r\n", "2\r\ne\x1e\r\n", "4\r\n4two\r\n", "0\r\n\r\n"] {
        http.send(piece.as_bytes()).await;
        server.settle().await;
    }
    http.answer().await.assert_ok();
    assert_eq!(heard.text().await, "one");
    assert_eq!(heard.text().await, "two");
}

#[tokio::test]
async fn what_came_before_a_close_still_counts() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        session.send(&["4a".into(), "4b".into(), "1".into(), "4too late".into()]).await;
        assert_eq!(heard.text().await, "a");
        assert_eq!(heard.text().await, "b");
        assert_eq!(heard.closed().await, parlance::engine::CloseReason::ClientClosed);
        server.assert_gone(&session.sid).await;
    }
}
