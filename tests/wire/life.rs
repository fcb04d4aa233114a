//! Bounds, leaks and ends.

use std::time::Duration;

use parlance::dialect::Message;
use parlance::engine::CloseReason;
use parlance::server::HttpLimits;
use parlance::socketio::SocketIo;

use crate::support::*;

#[tokio::test]
async fn a_slow_reader_is_closed_and_delays_nobody() {
    let server = chat(small_queue(256 * 1024), chat_settings()).await;
    let (mut sender, mut reader) = (joined(&server).await, joined(&server).await);
    let stuck = joined(&server).await;
    sender.text("42[\"add user\",\"alice\"]").await;
    sender.next().await;
    reader.next().await;
    let text = "x".repeat(30_000);
    let mut said = 0;
    // The stuck one takes what the system's buffers hold, then its queue fills, then it is gone.
    while server.engine.session_count() == 3 {
        sender.text(&format!("421[\"new message\",\"{text}\"]")).await;
        sender.expect("431[{\"ok\":true}]").await;
        said += 1;
        assert!(said < 2000, "still there after {said} messages");
        assert!(
            reader.next_text().await.starts_with("42[\"new message\""),
            "in step with the sender"
        );
    }
    drop(stuck);
}

#[tokio::test]
async fn a_full_queue_is_told_to_a_poller() {
    let server = kitchen(small_queue(1024)).await;
    let url = server.polling("EIO=4&transport=polling").await;
    server.post(&url, "40").await;
    let session = server.engine.session(sid_of(&url)).unwrap();
    session.send(Message::Text("x".repeat(2000)));
    assert_eq!(session.close_reason(), Some(CloseReason::SlowReader));
    assert_eq!(server.get(&url).await.json()["code"], 1);
}

#[tokio::test]
async fn nothing_is_left_of_sessions_however_they_end() {
    let server = kitchen(quick(200, 200)).await;
    let mut clients = Vec::new();
    for n in 0..40 {
        let mut ws = joined(&server).await;
        match n % 4 {
            0 => drop(ws),
            1 => {
                ws.close().await;
                ws.closed().await;
            }
            2 => ws.text("1").await,
            // Silent from now on: it does not answer heartbeats.
            _ => clients.push(ws),
        }
    }
    for n in 0..30 {
        let eio = 3 + n % 2;
        let url = server.polling(&format!("EIO={eio}&transport=polling&b64=1")).await;
        match n % 3 {
            0 => {
                server.post(&url, if eio == 4 { "1" } else { "1:1" }).await;
            }
            1 => drop(server.parked(&url).await),
            _ => {}
        }
    }
    for _ in 0..10 {
        server.get("/socket.io/1/").await;
        drop(server.ws(&url09(&server).await).await);
    }
    for session in server.engine.sessions() {
        // Handshakes of 0.9 that nobody took up would go after a minute.
        if session.transport() == "websocket" && session.is_unused() {
            session.close(CloseReason::ClientClosed);
        }
    }
    until("no session is left", || server.engine.session_count() == 0).await;
    until("no task is left", || server.engine.task_count() == 0).await;
}

async fn url09(server: &TestServer) -> String {
    let body = server.get("/socket.io/1/").await.text();
    format!("/socket.io/1/websocket/{}", body.split(':').next().unwrap())
}

#[tokio::test]
async fn a_shutdown_is_told_in_every_dialect() {
    let server = kitchen(calm()).await;
    let url4 = server.polling("EIO=4&transport=polling").await;
    let url3 = server.polling("EIO=3&transport=polling&b64=1").await;
    let (poll4, poll3) = (server.park(&url4), server.parked(&url3).await);
    let session = server.engine.session(sid_of(&url4)).unwrap();
    until("the poll is held", || session.is_drained()).await;
    let mut ws = joined(&server).await;
    let mut old = server.ws(&url09(&server).await).await;
    old.expect("1::").await;
    let closing = tokio::spawn(async move {
        let closed = (ws.closed().await, old.next().await);
        old.closed().await;
        closed
    });
    server.server.stop_accepting();
    let left = within("shutdown", server.engine.shutdown(Duration::from_secs(10))).await;
    assert_eq!(left, 0);
    assert_eq!(poll4.await.unwrap().text(), "1");
    assert!(poll3.await.unwrap().text().ends_with("1:1"));
    assert_eq!(closing.await.unwrap(), (None, WsFrame::Text("7:::1+0".into())));
}

#[tokio::test]
async fn heads_that_never_end_are_cut_off() {
    let http = HttpLimits { header_timeout: Duration::from_millis(100), ..HttpLimits::default() };
    let app = SocketIo::new(Kitchen, Duration::from_secs(60));
    let server = start_with(calm(), everything(), http, app).await;
    let mut silent = server.http().await;
    let mut slow = server.http().await;
    slow.write(b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: t\r\nX-").await;
    assert!(slow.is_closed().await);
    assert!(silent.is_closed().await);
}
