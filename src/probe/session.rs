//! A session with a server by one transport, as a client has it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures::SinkExt as _;
use tokio::time::{Instant as Deadline, sleep, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::failure::Failure;
use super::generation::{Generation, Handshake, Question, Transport};
use super::http::{Answer, Ask, Incoming};
use super::stream::{read_stream, stream};
use super::way::{Link, Way};
use super::websocket::{read_socket, websocket, ws_failure};

/// Bytes of a message, and of what a stream holds that is no packet yet.
pub(super) const LARGEST: usize = 2 * 1024 * 1024;
/// Packets that are read ahead.
const AHEAD: usize = 1024;

/// Where a session is to be opened.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub way: &'a Way,
    /// The path of the engine.
    pub path: &'a str,
    pub generation: Generation,
    /// `Origin` of the requests.
    pub origin: Option<&'a str>,
}

impl Place<'_> {
    pub fn get(&self, target: String) -> Ask {
        self.named(Ask::get(target))
    }

    /// With the page that asks.
    pub fn named(&self, ask: Ask) -> Ask {
        match self.origin {
            Some(origin) => ask.with("Origin", origin),
            None => ask,
        }
    }

    /// An upgrade request, and what its answer has to prove.
    pub fn upgrade(&self, target: String) -> (Ask, String) {
        let key = generate_key();
        let proof = derive_accept_key(key.as_bytes());
        let ask = self.get(target);
        let ask = ask
            .with("Connection", "Upgrade")
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", key);
        (ask, proof)
    }
}

enum Carrier {
    WebSocket(Box<WebSocketStream<Link>>),
    Poll,
    Stream(Box<Incoming>, String),
}

/// An open session.
pub(super) struct Session<'a> {
    place: Place<'a>,
    transport: Transport,
    pub handshake: Handshake,
    carrier: Carrier,
    ahead: VecDeque<String>,
    questions: u32,
    /// When a packet came last.
    pub heard: Instant,
    /// Time to the first byte of the body of a stream.
    pub first_byte: Option<Duration>,
    /// `Set-Cookie` of the answer that opened it.
    pub cookies: Vec<String>,
    /// The code of the WebSocket's close frame.
    pub close_code: Option<u16>,
}

impl<'a> Session<'a> {
    /// Opens a session by a transport.
    pub async fn open(place: Place<'a>, transport: Transport) -> Result<Session<'a>, Failure> {
        let deadline = Deadline::now() + place.way.patience;
        let opened = Cell::new(false);
        let opening = Box::pin(Self::open_anyhow(place, transport, &opened));
        let done = timeout_at(deadline, opening).await.unwrap_or_else(|_| Err(Failure::timeout()));
        done.map_err(|why| Failure { opened: opened.get(), ..why })
    }

    async fn open_anyhow(
        place: Place<'a>,
        transport: Transport,
        opened: &Cell<bool>,
    ) -> Result<Session<'a>, Failure> {
        let generation = place.generation;
        let opening = generation.opening(place.path, transport, false);
        if generation != Generation::V09 && !transport.is_poll() {
            return Self::open_at(place, transport, opening, None, opened).await;
        }
        let (handshake, cookies) = shake_hands(place, transport).await?;
        let target = generation.carrying(place.path, transport, &handshake.sid);
        let mut session = match transport.is_poll() {
            true => Self::new(place, transport, Carrier::Poll, handshake),
            false => Self::open_at(place, transport, target, Some(handshake), opened).await?,
        };
        session.cookies = cookies;
        if generation == Generation::V09 {
            let first = session.receive().await?;
            if !first.starts_with("1:") {
                return Err(Failure::garbled("the first packet does not say that it is connected"));
            }
        }
        Ok(session)
    }

    /// Opens a WebSocket or a stream; without a handshake, that comes on it.
    async fn open_at(
        place: Place<'a>,
        transport: Transport,
        target: String,
        handshake: Option<Handshake>,
        opened: &Cell<bool>,
    ) -> Result<Session<'a>, Failure> {
        let is_new = handshake.is_none();
        let handshake = handshake.unwrap_or_default();
        let carrier = match transport {
            Transport::WebSocket => Carrier::WebSocket(Box::new(websocket(place, target).await?)),
            _ => Carrier::Stream(Box::new(stream(place, target).await?), String::new()),
        };
        opened.set(true);
        let mut session = Self::new(place, transport, carrier, handshake);
        if is_new {
            let first = session.receive().await?;
            session.handshake = place.generation.handshake(&first)?;
        }
        Ok(session)
    }

    fn new(
        place: Place<'a>,
        transport: Transport,
        carrier: Carrier,
        handshake: Handshake,
    ) -> Session<'a> {
        Session {
            place,
            transport,
            handshake,
            carrier,
            ahead: VecDeque::new(),
            questions: 0,
            heard: Instant::now(),
            first_byte: None,
            cookies: Vec::new(),
            close_code: None,
        }
    }

    /// Moves a session of polls to a WebSocket, as a client does. `Err` has the step that failed.
    pub async fn upgrade(&mut self) -> Result<(), (&'static str, Failure)> {
        let Place { way, path, generation, .. } = self.place;
        let target = generation.carrying(path, Transport::WebSocket, &self.handshake.sid);
        let deadline = Deadline::now() + way.patience;
        let opened = timeout_at(deadline, websocket(self.place, target)).await;
        let mut socket =
            opened.unwrap_or_else(|_| Err(Failure::timeout())).map_err(|why| ("open", why))?;
        let probing = async {
            socket.send(Message::text("2probe")).await.map_err(|why| ws_failure(&why))?;
            match read_socket(&mut socket, &mut self.close_code).await? {
                packet if packet == "3probe" => {}
                other => {
                    let other = super::http::shown(&other);
                    return Err(Failure::garbled(format!("the probe was answered by {other}")));
                }
            }
            socket.send(Message::text("5")).await.map_err(|why| ws_failure(&why))
        };
        let probed = timeout_at(deadline, probing).await;
        probed
            .unwrap_or_else(|_| {
                Err(Failure::silent("the WebSocket opened, and nothing came on it"))
            })
            .map_err(|why| ("probe", why))?;
        self.carrier = Carrier::WebSocket(Box::new(socket));
        self.transport = Transport::WebSocket;
        Ok(())
    }

    /// Asks `count` questions of so many bytes after a silence, and waits for all answers. Returns the
    /// time that they took.
    pub async fn ask(
        &mut self,
        count: u32,
        bytes: usize,
        silence: Duration,
    ) -> Result<Duration, Failure> {
        let questions: Vec<Question> = (0..count)
            .map(|_| {
                self.questions += 1;
                self.place.generation.question(self.questions, bytes)
            })
            .collect();
        let deadline = Deadline::now() + silence + self.place.way.patience;
        let quiet = silence.is_zero();
        let work = Box::pin(async {
            if !quiet {
                self.wait(silence, &questions).await?;
            }
            let started = Instant::now();
            if quiet || !self.transport.is_poll() {
                self.send_questions(&questions).await?;
            }
            let mut left: Vec<&Question> = questions.iter().collect();
            while !left.is_empty() {
                let packet = self.receive().await?;
                let before = left.len();
                left.retain(|question| !question.answer.is(&packet));
                let about_us = packet.contains("/parlance-d");
                if left.len() == before && about_us && self.place.generation.echoes() {
                    return Err(Failure::garbled("a message came back with other bytes"));
                }
            }
            Ok(started.elapsed())
        });
        match timeout_at(deadline, work).await {
            Ok(done) => done,
            Err(_) => Err(Failure::silent("a message got no answer")),
        }
    }

    async fn send_questions(&mut self, questions: &[Question]) -> Result<(), Failure> {
        let packets: Vec<String> = questions.iter().map(|one| one.packet.clone()).collect();
        self.send(&packets).await
    }

    /// Is silent for a while, as far as the server is; then the questions of polls are posted, while a
    /// poll is parked.
    async fn wait(&mut self, silence: Duration, questions: &[Question]) -> Result<(), Failure> {
        let end = Deadline::now() + silence;
        if self.transport.is_poll() {
            let packets: Vec<String> = questions.iter().map(|one| one.packet.clone()).collect();
            let this = &*self;
            let polling = this.poll(silence + this.place.way.patience);
            let posting = async {
                sleep(silence).await;
                this.post(&packets).await
            };
            let (polled, ()) = tokio::try_join!(polling, posting)?;
            self.ahead.extend(polled.into_iter().take(AHEAD));
            return Ok(());
        }
        // What comes meanwhile is heartbeats, and the end.
        let mut kept = VecDeque::new();
        while let Ok(packet) = timeout_at(end, self.receive()).await {
            let packet = packet?;
            if kept.len() < AHEAD {
                kept.push_back(packet);
            }
        }
        self.ahead.append(&mut kept);
        Ok(())
    }

    pub async fn send(&mut self, packets: &[String]) -> Result<(), Failure> {
        match &mut self.carrier {
            Carrier::WebSocket(socket) => {
                for packet in packets {
                    let sent = socket.send(Message::text(packet.clone())).await;
                    sent.map_err(|why| ws_failure(&why))?;
                }
                Ok(())
            }
            _ => self.post(packets).await,
        }
    }

    async fn post(&self, packets: &[String]) -> Result<(), Failure> {
        let Place { way, path, generation, .. } = self.place;
        let payload = generation.payload(packets);
        let target = generation.carrying(path, self.transport, &self.handshake.sid);
        let (kind, body) = match self.transport {
            Transport::Jsonp => ("application/x-www-form-urlencoded", generation.form(&payload)),
            _ => ("text/plain;charset=UTF-8", payload.into_bytes()),
        };
        let answer = way.fetch(&self.place.named(Ask::post(target, kind, body))).await?;
        let taken = answer.status == 200 && matches!(answer.body.as_slice(), b"ok" | b"1");
        if taken { Ok(()) } else { Err(Failure::answered(answer)) }
    }

    async fn poll(&self, patience: Duration) -> Result<Vec<String>, Failure> {
        let Place { way, path, generation, .. } = self.place;
        let target = generation.carrying(path, self.transport, &self.handshake.sid);
        let answer = way.fetch_within(&self.place.get(target), patience).await?;
        body_packets(generation, self.transport, answer)
    }

    /// The next packet that is no heartbeat. Cancel-safe but for polls.
    pub async fn receive(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(packet) = self.ahead.pop_front() {
                return Ok(packet);
            }
            let packet = match &mut self.carrier {
                Carrier::WebSocket(socket) => read_socket(socket, &mut self.close_code).await?,
                Carrier::Stream(incoming, text) => {
                    let payload =
                        read_stream(incoming, text, &mut self.first_byte, self.heard).await?;
                    let packets = self.place.generation.packets(&payload)?;
                    self.ahead.extend(packets.into_iter().take(AHEAD));
                    let Some(packet) = self.ahead.pop_front() else { continue };
                    packet
                }
                Carrier::Poll => {
                    self.ahead
                        .extend(self.poll(Duration::from_secs(30)).await?.into_iter().take(AHEAD));
                    let Some(packet) = self.ahead.pop_front() else { continue };
                    packet
                }
            };
            self.heard = Instant::now();
            let generation = self.place.generation;
            if let Some(pong) = generation.pong(&packet) {
                self.send(&[pong]).await?;
            } else if generation.is_end(&packet) {
                self.ahead.push_front(packet);
                return Err(Failure::ended(&self.ahead));
            } else if packet != "6" && packet != "8::" {
                return Ok(packet);
            }
        }
    }

    /// Whether answers carry as much as questions.
    pub fn echoes(&self) -> bool {
        self.place.generation.echoes()
    }

    /// Ends the session.
    pub async fn leave(mut self) {
        let goodbye = self.place.generation.goodbye().to_owned();
        let leaving = async {
            let _ = self.send(&[goodbye]).await;
            if let Carrier::WebSocket(socket) = &mut self.carrier {
                let _ = futures::SinkExt::close(&mut **socket).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), leaving).await;
    }
}

/// Opens a session by a request of its own.
async fn shake_hands(
    place: Place<'_>,
    transport: Transport,
) -> Result<(Handshake, Vec<String>), Failure> {
    let Place { way, path, generation, .. } = place;
    let ask = place.get(generation.opening(path, transport, false));
    let mut answer = way.fetch(&ask).await?;
    let cookies = answer.all("set-cookie").iter().map(|line| (*line).to_owned()).collect();
    if generation == Generation::V09 {
        let refused = transport == Transport::Jsonp && jsonp_error(&mut answer);
        if answer.status != 200 || refused {
            return Err(Failure::answered(answer));
        }
        let text = answer.text();
        let text = match transport {
            Transport::Jsonp => generation.script(&text)?,
            _ => text,
        };
        return generation
            .handshake(&text)
            .map(|handshake| (handshake, cookies))
            .map_err(|why| Failure { answer: Some(Box::new(answer)), ..why });
    }
    let kept = answer.clone();
    let first = body_packets(generation, transport, answer)?.into_iter().next().unwrap_or_default();
    let handshake = generation.handshake(&first);
    let failed = |why: Failure| Failure { answer: Some(Box::new(kept)), ..why };
    Ok((handshake.map_err(failed)?, cookies))
}

/// A refusal of 0.9 in a script, `io.j[0](new Error("…"));`, becomes its text.
fn jsonp_error(answer: &mut Answer) -> bool {
    let text = answer.text();
    let inner = text.split_once("(new Error(").map(|(_, rest)| rest.trim_end_matches([';', ')']));
    match inner.and_then(|inner| serde_json::from_str::<String>(inner).ok()) {
        Some(told) => {
            answer.body = told.into_bytes();
            true
        }
        None => false,
    }
}

/// The packets in the answer to a poll.
fn body_packets(
    generation: Generation,
    transport: Transport,
    answer: Answer,
) -> Result<Vec<String>, Failure> {
    if answer.status != 200 {
        return Err(Failure::answered(answer));
    }
    let text = answer.text();
    let read = match transport {
        Transport::Jsonp => generation.script(&text).and_then(|text| generation.packets(&text)),
        _ => generation.packets(&text),
    };
    read.map_err(|why| Failure { answer: Some(Box::new(answer)), ..why })
}
