//! Clients of 0.9 (reference: socketio-0.9.md).

use std::net::SocketAddr;

use super::http::{Answer, Http, fetch};
use super::server::TestServer;
use super::ws::Ws;

/// Several packets in one body, their lengths in UTF-16 units.
pub fn framed(packets: &[&str]) -> String {
    let frame =
        |packet: &&str| format!("\u{fffd}{}\u{fffd}{packet}", packet.encode_utf16().count());
    packets.iter().map(frame).collect()
}

/// What is said by polls and streams to a client with an unknown sid.
pub fn unknown_sid() -> String {
    framed(&["0::", "1::", "7:::1+0"])
}

/// A session after its handshake. Each request goes by a transport of its own choice.
pub struct Session09 {
    pub sid: String,
    addr: SocketAddr,
}

impl Session09 {
    /// Shakes hands.
    pub async fn open(server: &TestServer) -> Self {
        let answer = fetch(server.addr, "GET", "/socket.io/1/?t=1395000000000", &[], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let fields: Vec<&str> = answer.text().split(':').collect();
        assert_eq!((fields.len(), fields[0].len()), (4, 20), "{}", answer.text());
        Self::named(server, fields[0])
    }

    /// A session of that sid, which need not be there.
    pub fn named(server: &TestServer, sid: &str) -> Self {
        Session09 { sid: sid.to_owned(), addr: server.addr }
    }

    /// Shakes hands, and fetches the first packet by polling.
    pub async fn polling(server: &TestServer) -> Self {
        let session = Self::open(server).await;
        assert_eq!(session.poll().await, "1::");
        session
    }

    /// The target of the session's requests by a transport.
    pub fn target(&self, transport: &str) -> String {
        format!("/socket.io/1/{transport}/{}?t=1&i=1", self.sid)
    }

    pub async fn get(&self, transport: &str) -> Answer {
        fetch(self.addr, "GET", &self.target(transport), &[], b"").await
    }

    /// Polls; returns the body.
    pub async fn poll(&self) -> String {
        let answer = self.get("xhr-polling").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    }

    /// Sends a poll, and returns when the server holds it.
    pub async fn park(&self, server: &TestServer) -> Http {
        server.hold(&self.sid, &self.target("xhr-polling")).await
    }

    /// Posts what must be taken.
    pub async fn post(&self, transport: &str, body: &str) {
        let answer = fetch(self.addr, "POST", &self.target(transport), &[], body.as_bytes()).await;
        assert_eq!((answer.status, answer.text()), (200, "1"), "{body:?}");
        assert_eq!(answer.header("content-length"), Some("1"));
    }

    pub async fn say(&self, body: &str) {
        self.post("xhr-polling", body).await;
    }

    /// Leaves as a page does that is being closed.
    pub async fn leave(&self) -> Answer {
        let target = format!("/socket.io/1//{}/?disconnect=1", self.sid);
        fetch(self.addr, "GET", &target, &[], b"").await
    }

    /// Opens the session's WebSocket, on which it is greeted.
    pub async fn websocket(&self) -> Ws {
        let mut ws = Ws::open(self.addr, &self.target("websocket")).await;
        assert_eq!(ws.text().await, "1::");
        ws
    }
}
