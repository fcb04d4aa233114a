//! Socket.IO, protocols 3 to 5: the test vectors, and the table of malformed input.

use std::time::Duration;

use parlance::socketio::SocketIo;

use crate::support::*;

#[tokio::test]
async fn connecting() {
    let server = kitchen(calm()).await;
    // Protocol 4 and below: joined without being asked.
    let mut old = joined3(&server).await;
    old.text("40/nope,").await;
    old.expect("44/nope,\"Invalid namespace\"").await;
    old.text("40/chat?x=1,").await;
    old.expect("40/chat,").await;
    old.text("40/deny").await;
    old.expect("44/deny,{\"code\":7}").await;
    old.text("40").await;
    old.text("42[\"still\"]").await;
    old.expect("42[\"still\"]").await;

    // Protocol 5: only on request, with an id of its own.
    let mut new = server.ws("/socket.io/?EIO=4&transport=websocket").await;
    let open = new.next_text().await;
    new.text("40{\"token\":\"abc\"}").await;
    let answer = new.next_text().await;
    assert_eq!(answer.len(), "40{\"sid\":\"\"}".len() + 20);
    assert!(!open.contains(&answer[9..29]), "not the sid of the session");
    new.text("40/nope,").await;
    new.expect("44/nope,{\"message\":\"Invalid namespace\"}").await;
    new.text("40/deny,").await;
    new.expect("44/deny,{\"message\":\"denied\",\"data\":{\"code\":7}}").await;
    new.text("40/chat,{\"a\":1}").await;
    assert!(new.next_text().await.starts_with("40/chat,{\"sid\":\""));
    new.text("42/chat,12[\"hi\"]").await;
    new.expect("43/chat,12[]").await;
}

#[tokio::test]
async fn who_joins_nothing_is_let_go() {
    let app = SocketIo::new(Kitchen, Duration::from_millis(50));
    let server = start(calm(), everything(), app).await;
    let mut ws = server.ws("/socket.io/?EIO=4&transport=websocket").await;
    assert!(ws.next_text().await.starts_with("0{"));
    assert_eq!(ws.next().await, WsFrame::Close(None));
    // Protocol 3 joins by itself and is not concerned.
    let mut old = joined3(&server).await;
    old.text("42[\"x\"]").await;
    old.expect("42[\"x\"]").await;
}

#[tokio::test]
async fn acks_and_attachments_both_ways() {
    let server = kitchen(calm()).await;
    let mut ws = joined(&server).await;
    ws.text("42456[\"m\",1,\"2\",{\"3\":[false]}]").await;
    ws.expect("43456[1,\"2\",{\"3\":[false]}]").await;
    ws.text("4207[\"echo\",1]").await;
    ws.expect("437[1]").await;
    let header =
        "452-789[\"m\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    ws.text(header).await;
    ws.binary(&[1, 2, 3]).await;
    ws.binary(&[4, 5, 6]).await;
    ws.expect("462-789[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]").await;
    assert_eq!(ws.next().await, WsFrame::Binary(vec![1, 2, 3]));
    assert_eq!(ws.next().await, WsFrame::Binary(vec![4, 5, 6]));
    ws.text("451-[\"ask\",{\"_placeholder\":true,\"num\":0}]").await;
    ws.binary(&[9]).await;
    ws.expect("451-1[\"question\",{\"_placeholder\":true,\"num\":0}]").await;
    assert_eq!(ws.next().await, WsFrame::Binary(vec![9]));
    ws.text("431[\"yes\"]").await;
    ws.expect("42[\"answer\",\"yes\"]").await;
    // Nobody asked for these.
    for ignored in ["42", "43", "43[1]", "4399[\"x\"]", "431[\"again\"]", "6", "3probe"] {
        ws.text(ignored).await;
    }
    ws.text("42[\"end of it\"]").await;
    ws.expect("42[\"end of it\"]").await;

    let mut old = joined3(&server).await;
    old.text("451-5[\"m\",{\"_placeholder\":true,\"num\":0}]").await;
    old.binary(&[4, 1, 2]).await;
    old.expect("461-5[{\"_placeholder\":true,\"num\":0}]").await;
    assert_eq!(old.next().await, WsFrame::Binary(vec![4, 1, 2]));
}

#[tokio::test]
async fn attachments_over_polling() {
    let server = kitchen(calm()).await;
    let url = server.polling("EIO=4&transport=polling").await;
    server.post(&url, "40").await;
    server.get(&url).await;
    // Header and attachment in different requests.
    server.post(&url, "451-[\"b\",{\"_placeholder\":true,\"num\":0}]").await;
    server.post(&url, "bAQID").await;
    assert_eq!(
        server.get(&url).await.text(),
        "451-[\"b\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID"
    );

    let url = server.polling("EIO=3&transport=polling&j=0").await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body =
        b"d=39%3A451-%5B%22b%22%2C%7B%22_placeholder%22%3Atrue%2C%22num%22%3A0%7D%5D6%3Ab4AQID";
    assert_eq!(server.http().await.request("POST", &url, form, body).await.text(), "ok");
    let script = server.get(&url).await.text();
    assert!(
        script
            .ends_with("39:451-[\\\"b\\\",{\\\"_placeholder\\\":true,\\\"num\\\":0}]6:b4AQID\");"),
        "{script}"
    );
}

#[tokio::test]
async fn leaving() {
    let server = kitchen(calm()).await;
    let mut ws = joined(&server).await;
    ws.text("40/chat,").await;
    ws.next().await;
    ws.text("41").await;
    ws.text("42/chat,[\"here\"]").await;
    ws.expect("42/chat,[\"here\"]").await;
    ws.text("42[\"echo\",1]").await;
    ws.closed().await;

    let mut old = joined3(&server).await;
    old.text("41").await;
    old.text("42[\"echo\",1]").await;
    old.text("40/chat").await;
    old.expect("40/chat,").await;

    let mut kicked = joined(&server).await;
    kicked.text("42[\"kick\"]").await;
    kicked.expect("41").await;
    kicked.text("40").await;
    assert!(kicked.next_text().await.starts_with("40{"), "and may join again");
    kicked.text("42[\"end\"]").await;
    kicked.expect("41").await;
    assert_eq!(kicked.closed().await, None);
}

#[tokio::test]
async fn an_ending_waits_for_the_next_poll() {
    let server = kitchen(calm()).await;
    let url = server.polling("EIO=4&transport=polling").await;
    server.post(&url, "40").await;
    server.get(&url).await;
    server.post(&url, "42[\"x\"]\u{1e}42[\"end\"]").await;
    assert_eq!(server.get(&url).await.text(), "42[\"x\"]\u{1e}41\u{1e}1");
    assert_eq!(server.get(&url).await.json()["code"], 1);
}

#[tokio::test]
async fn malformed_packets_end_the_session() {
    let server = kitchen(calm()).await;
    let both = [
        "49",
        "4x",
        "4",
        "42{}",
        "42[\"x\"",
        "42[]",
        "42[null]",
        "42[\"a\"]x",
        "42-1[\"a\"]",
        "4abc",
        "42abc[]",
        "40\"s\"",
        "41{}",
        "45-[\"x\"]",
        "451.5-[\"x\"]",
        "450-[\"x\"]",
        "4511-[\"x\"]",
        "7",
    ];
    let only4 = [
        "40",
        "42/nope,[\"x\"]",
        "42[\"connect\"]",
        "42[\"disconnect\"]",
        "42[\"connect_error\"]",
        "42[\"disconnecting\"]",
        "42[\"newListener\"]",
        "42[\"removeListener\"]",
        "44{}",
        "bMQ==",
    ];
    for text in both.iter().chain(&only4) {
        let mut ws = joined(&server).await;
        ws.text(text).await;
        assert_eq!(ws.next().await, WsFrame::Close(None), "{text}");
    }
    for text in both {
        let mut ws = joined3(&server).await;
        ws.text(text).await;
        assert_eq!(ws.next().await, WsFrame::Close(None), "{text}");
    }
    for text in ["40", "42/nope,[\"x\"]", "44\"x\"", "42"] {
        let mut ws = joined3(&server).await;
        ws.text(text).await;
        ws.text("42[\"after\"]").await;
        ws.expect("42[\"after\"]").await;
    }
}

#[tokio::test]
async fn attachments_out_of_place() {
    let server = kitchen(calm()).await;
    let header = "451-[\"b\",{\"_placeholder\":true,\"num\":0}]";
    for bad in [
        "451-[\"b\",{\"_placeholder\":true,\"num\":1}]",
        "451-[\"b\",{\"_placeholder\":true,\"num\":-1}]",
    ] {
        let mut ws = joined(&server).await;
        ws.text(bad).await;
        ws.binary(&[1]).await;
        ws.closed().await;
    }
    let mut ws = joined(&server).await;
    ws.binary(&[1]).await;
    ws.closed().await;
    let mut ws = joined(&server).await;
    ws.text(header).await;
    ws.text("42[\"x\"]").await;
    ws.closed().await;
    until("all are gone", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn half_a_surrogate_pair_harms_nobody() {
    let server = kitchen(calm()).await;
    let mut ws = joined(&server).await;
    ws.text("42[\"x\",\"a\\ud83db\"]").await;
    ws.expect("42[\"x\",\"a\u{fffd}b\"]").await;
}
