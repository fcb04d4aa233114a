//! A Socket.IO client on any transport: packets in, packets out.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::packets::{Eio, Packet};
use super::polls::{Polls, read_open, sid_of};
use super::server::{TestServer, target};
use super::soon;
use super::ws::{Frame, Ws};

/// How a client travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    WebSocket,
    /// A client that cannot take binary.
    WebSocketB64,
    /// XHR; in protocol 3, binary as octets.
    Polling,
    PollingB64,
    Jsonp,
    /// Polling first, as clients do by default.
    Upgraded,
}

impl Via {
    pub const ALL: [Via; 6] = [
        Via::WebSocket,
        Via::WebSocketB64,
        Via::Polling,
        Via::PollingB64,
        Via::Jsonp,
        Via::Upgraded,
    ];
}

/// A client of one session.
pub struct Client {
    pub eio: Eio,
    pub via: Via,
    pub sid: String,
    link: Line,
    inbox: VecDeque<Packet>,
}

enum Line {
    Socket(Ws),
    Polls(Box<Polls>),
}

impl Client {
    /// Shakes hands, and leaves the namespaces to the test.
    pub async fn open(server: &TestServer, eio: Eio, via: Via) -> Self {
        Self::open_with(server, eio, via, "").await
    }

    /// [`Client::open`] with more in the query, `&` first.
    pub async fn open_with(server: &TestServer, eio: Eio, via: Via, more: &str) -> Self {
        let query = match via {
            Via::WebSocketB64 | Via::PollingB64 => format!("{}{more}&b64=1", eio.query()),
            Via::Jsonp => format!("{}{more}&b64=1&j=0", eio.query()),
            _ => format!("{}{more}", eio.query()),
        };
        if matches!(via, Via::WebSocket | Via::WebSocketB64) {
            let mut ws =
                Ws::open(server.addr, &target(&format!("{query}&transport=websocket"))).await;
            let open = read_open(&Packet::Text(ws.text().await));
            assert_eq!(open["upgrades"], json!([]), "nothing is better than a WebSocket");
            return Client {
                eio,
                via,
                sid: sid_of(&open),
                link: Line::Socket(ws),
                inbox: VecDeque::new(),
            };
        }
        let mut polls = Polls::open(server, &query).await;
        let inbox = std::mem::take(&mut polls.early).into();
        let sid = polls.sid.clone();
        let link = match via {
            Via::Upgraded => Line::Socket(polls.upgrade(server).await),
            _ => Line::Polls(Box::new(polls)),
        };
        Client { eio, via, sid, link, inbox }
    }

    /// Opens a session that is in the default namespace.
    pub async fn join(server: &TestServer, eio: Eio, via: Via) -> Self {
        let mut client = Self::open(server, eio, via).await;
        client.join_default().await;
        client
    }

    /// Does what the generation does to be in the default namespace; returns the socket's id.
    pub async fn join_default(&mut self) -> String {
        if self.eio == Eio::V3 {
            assert_eq!(self.text().await, "40");
            return self.sid.clone();
        }
        self.send("40").await;
        let answer = self.text().await;
        let answer: Value = serde_json::from_str(&answer[2..]).expect("a sid in the answer");
        sid_of(&answer)
    }

    pub async fn send(&mut self, packet: &str) {
        self.send_all(&[packet.into()]).await;
    }

    /// Sends packets: a frame each, or one payload.
    pub async fn send_all(&mut self, packets: &[Packet]) {
        let ws = match &mut self.link {
            Line::Polls(polls) => return polls.send(packets).await,
            Line::Socket(ws) => ws,
        };
        for packet in packets {
            match (packet, self.eio) {
                (Packet::Text(text), _) => ws.send(text).await,
                (Packet::Binary(data), Eio::V3) if self.via == Via::WebSocketB64 => {
                    ws.send(&format!("b4{}", BASE64.encode(data))).await;
                }
                (Packet::Binary(data), Eio::V4) if self.via == Via::WebSocketB64 => {
                    ws.send(&format!("b{}", BASE64.encode(data))).await;
                }
                (Packet::Binary(data), Eio::V3) => {
                    ws.send_binary(&[&[4], &data[..]].concat()).await
                }
                (Packet::Binary(data), Eio::V4) => ws.send_binary(data).await,
            }
        }
    }

    /// Emits an event in the default namespace.
    pub async fn emit(&mut self, event: Value) {
        self.send(&format!("42{event}")).await;
    }

    /// Emits an event that wants an acknowledgement.
    pub async fn emit_with_ack(&mut self, id: u32, event: Value) {
        self.send(&format!("42{id}{event}")).await;
    }

    /// The next packet. Frames that carry binary as text arrive as the binary they are.
    pub async fn next(&mut self) -> Packet {
        self.next_or_end().await.expect("a packet, not the end")
    }

    async fn next_or_end(&mut self) -> Option<Packet> {
        let ws = match &mut self.link {
            Line::Polls(polls) => {
                while self.inbox.is_empty() {
                    let packets = polls.poll().await;
                    self.inbox.extend(packets.into_iter().filter(|packet| *packet != "6".into()));
                }
                return self.inbox.pop_front();
            }
            Line::Socket(ws) => ws,
        };
        if let Some(packet) = self.inbox.pop_front() {
            return Some(packet);
        }
        Some(match ws.next().await {
            Frame::Text(text) => {
                match text.strip_prefix(if self.eio == Eio::V3 { "b4" } else { "b" }) {
                    Some(data) => {
                        assert_eq!(self.via, Via::WebSocketB64, "only who asked gets base64");
                        Packet::Binary(BASE64.decode(data).expect("base64"))
                    }
                    None => Packet::Text(text),
                }
            }
            Frame::Binary(data) => {
                assert_ne!(self.via, Via::WebSocketB64, "this client cannot take binary");
                match self.eio {
                    Eio::V3 => Packet::Binary(data.strip_prefix(&[4]).expect("a message").to_vec()),
                    Eio::V4 => Packet::Binary(data),
                }
            }
            Frame::Close(_) | Frame::End => return None,
            other => panic!("unexpected {other:?}"),
        })
    }

    /// The next packet, which must be text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Packet::Text(text) => text,
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// The next packet, which must be an event of the default namespace without acknowledgement.
    pub async fn event(&mut self) -> Value {
        let text = self.text().await;
        let event = text.strip_prefix("42").unwrap_or_else(|| panic!("no event: {text}"));
        serde_json::from_str(event).unwrap_or_else(|_| panic!("no event: {text}"))
    }

    /// The next packet, which must acknowledge that event.
    pub async fn ack(&mut self, id: u32) -> Value {
        let text = self.text().await;
        let args =
            text.strip_prefix(&format!("43{id}")).unwrap_or_else(|| panic!("no ack: {text}"));
        serde_json::from_str(args).unwrap_or_else(|_| panic!("no ack: {text}"))
    }

    /// Reads until that event is acknowledged.
    pub async fn answer(&mut self, id: u32) -> Value {
        let wait = async {
            loop {
                if let Some(args) = self.text().await.strip_prefix(&format!("43{id}")) {
                    return serde_json::from_str(args).expect("arguments");
                }
            }
        };
        soon("an acknowledgement", wait).await
    }

    /// Asserts that nothing is on its way: what is asked for now is answered next.
    pub async fn assert_quiet(&mut self) {
        match self.eio {
            // The heartbeat is this client's to start.
            Eio::V3 => {
                self.send("2").await;
                assert_eq!(self.text().await, "3");
            }
            // An error of a namespace leaves everything as it is.
            Eio::V4 => {
                self.send("40/no room,").await;
                assert_eq!(self.text().await, "44/no room,{\"message\":\"Invalid namespace\"}");
            }
        }
    }

    /// Asserts that the server ends the connection now, without a packet of Socket.IO first.
    pub async fn assert_closed(mut self) {
        match &mut self.link {
            Line::Socket(ws) => {
                ws.closed().await;
            }
            Line::Polls(polls) => {
                // An error if it is over already; else the farewell.
                let answer = polls.get().await;
                if answer.status == 200 {
                    let packets = super::packets::read_answer(self.eio, &answer);
                    assert_eq!(packets, ["1".into()]);
                } else {
                    answer.assert_error(400, 1, "Session ID unknown");
                }
            }
        }
    }

    /// Goes away without a word.
    pub fn kill(self) {
        if let Line::Socket(ws) = self.link {
            ws.abort();
        }
    }

    /// The WebSocket of a client that has one.
    pub fn into_ws(self) -> Ws {
        match self.link {
            Line::Socket(ws) => ws,
            Line::Polls(_) => panic!("a client that polls"),
        }
    }

    /// The polls of a client that polls.
    pub fn polls(&mut self) -> &mut Polls {
        match &mut self.link {
            Line::Polls(polls) => polls,
            Line::Socket(_) => panic!("a client on a WebSocket"),
        }
    }
}
