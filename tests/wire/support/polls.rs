//! A polling client: XHR or JSONP, by what its query says.

use std::net::SocketAddr;

use serde_json::Value;

use super::http::{Answer, Header, Http};
use super::packets::{Eio, Packet, form, octet_payload, read_answer, text_payload};
use super::server::{TestServer, target};
use super::until;
use super::ws::Ws;

/// A session that is polled. GETs and POSTs have a connection each, as in browsers.
pub struct Polls {
    pub addr: SocketAddr,
    pub eio: Eio,
    pub sid: String,
    /// What the open packet said.
    pub open: Value,
    /// Packets that came with the open packet.
    pub early: Vec<Packet>,
    query: String,
    getting: Http,
    posting: Http,
}

/// A GET that the server holds.
pub struct Parked {
    http: Http,
    eio: Eio,
}

/// Reads an open packet.
pub fn read_open(packet: &Packet) -> Value {
    match packet {
        Packet::Text(text) if text.starts_with('0') => {
            serde_json::from_str(&text[1..]).expect("an open packet")
        }
        other => panic!("expected the open packet, got {other:?}"),
    }
}

/// The sid of an open packet.
pub fn sid_of(open: &Value) -> String {
    open["sid"].as_str().expect("a sid").to_owned()
}

impl Polls {
    /// Shakes hands; `query` is all but `transport`.
    pub async fn open(server: &TestServer, query: &str) -> Self {
        let eio = if query.contains("EIO=4") { Eio::V4 } else { Eio::V3 };
        let query = format!("{query}&transport=polling");
        let mut getting = Http::open(server.addr).await;
        let answer = getting.get(&target(&query)).await;
        let mut early = read_answer(eio, &answer);
        let open = read_open(&early.remove(0));
        let (sid, posting) = (sid_of(&open), Http::open(server.addr).await);
        Polls { addr: server.addr, eio, sid, open, early, query, getting, posting }
    }

    fn is_jsonp(&self) -> bool {
        self.query.contains("&j=")
    }

    /// The target of the session's requests.
    pub fn target(&self) -> String {
        target(&format!("{}&sid={}", self.query, self.sid))
    }

    /// The target of an upgrade.
    pub fn upgrade_target(&self) -> String {
        self.target().replace("transport=polling", "transport=websocket")
    }

    pub async fn get(&mut self) -> Answer {
        let target = self.target();
        self.getting.get(&target).await
    }

    /// Polls, and returns what came.
    pub async fn poll(&mut self) -> Vec<Packet> {
        read_answer(self.eio, &self.get().await)
    }

    /// Polls for what must be text packets.
    pub async fn texts(&mut self) -> Vec<String> {
        let text = |packet| match packet {
            Packet::Text(text) => text,
            other => panic!("expected text, got {other:?}"),
        };
        self.poll().await.into_iter().map(text).collect()
    }

    pub async fn post(&mut self, body: impl AsRef<[u8]>) -> Answer {
        self.post_as("text/plain;charset=UTF-8", body).await
    }

    pub async fn post_as(&mut self, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        let headers: [Header<'_>; 1] = [("Content-Type", content_type)];
        let target = self.target();
        self.posting.request("POST", &target, &headers, body.as_ref()).await
    }

    /// Posts packets as clients of the session's kind do: binary in octets where that is possible.
    pub async fn send(&mut self, packets: &[Packet]) {
        let binary = packets.iter().any(|packet| matches!(packet, Packet::Binary(_)));
        let octets = binary && self.eio == Eio::V3 && !self.query.contains("b64=1");
        let text = text_payload(self.eio, packets);
        let answer = if self.is_jsonp() {
            self.post_as("application/x-www-form-urlencoded", form(&text)).await
        } else if octets {
            self.post_as("application/octet-stream", octet_payload(packets)).await
        } else {
            self.post(text).await
        };
        answer.assert_ok();
    }

    pub async fn say(&mut self, packet: &str) {
        self.send(&[packet.into()]).await;
    }

    /// Sends a GET, and returns when the server holds it.
    pub async fn park(&self, server: &TestServer) -> Parked {
        Parked { http: server.hold(&self.sid, &self.target()).await, eio: self.eio }
    }

    /// Opens the WebSocket that this session is to be upgraded to.
    pub async fn websocket(&self) -> Ws {
        Ws::open(self.addr, &self.upgrade_target()).await
    }

    /// Opens a WebSocket and probes it.
    pub async fn probed(&self) -> Ws {
        let mut ws = self.websocket().await;
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
        ws
    }

    /// Carries an upgrade through, without a poll in the way. Returns when the server settled on it.
    pub async fn upgrade(&self, server: &TestServer) -> Ws {
        let mut ws = self.probed().await;
        ws.send("5").await;
        let session = server.engine.session(&self.sid).expect("the session lives");
        until("the upgrade", || session.transport() == "websocket").await;
        ws
    }
}

impl Parked {
    pub async fn answer(mut self) -> Answer {
        self.http.answer().await
    }

    pub async fn packets(self) -> Vec<Packet> {
        let eio = self.eio;
        read_answer(eio, &self.answer().await)
    }

    pub fn abort(self) {
        self.http.abort();
    }

    /// Ends the connection in good order, as a browser does that leaves the page.
    pub fn hang_up(self) {}
}
