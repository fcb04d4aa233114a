//! Applications to test with.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use parlance::dialect::Message;
use parlance::engine::{CloseReason, Handler, Receiver, Session};
use parlance::socketio::{App, ConnectError, DisconnectReason, Event, Socket};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::soon;

/// Sends every message of the session layer back.
pub struct Echo;

struct EchoSession(Arc<Session>);

impl Handler for Echo {
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(EchoSession(Arc::clone(session)))
    }
}

impl Receiver for EchoSession {
    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        self.0.send(message);
        Box::pin(std::future::ready(()))
    }
}

/// What a session's receiver was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Text(String),
    Binary(Bytes),
    Closed(CloseReason),
}

/// Notes what receivers are told, and says nothing.
pub struct Tap(UnboundedSender<Heard>);

/// What a [`Tap`] noted.
pub struct Notes(UnboundedReceiver<Heard>);

/// An application that listens, and its notes.
pub fn tap() -> (Tap, Notes) {
    let (sender, receiver) = unbounded_channel();
    (Tap(sender), Notes(receiver))
}

impl Notes {
    pub async fn next(&mut self) -> Heard {
        soon("the application hears something", self.0.recv()).await.expect("a server")
    }

    pub async fn text(&mut self) -> String {
        match self.next().await {
            Heard::Text(text) => text,
            other => panic!("expected a text message, heard {other:?}"),
        }
    }

    pub async fn closed(&mut self) -> CloseReason {
        match self.next().await {
            Heard::Closed(reason) => reason,
            other => panic!("expected the end, heard {other:?}"),
        }
    }

    /// What has been noted and not been read.
    pub fn now(&mut self) -> Option<Heard> {
        self.0.try_recv().ok()
    }
}

struct TapSession(UnboundedSender<Heard>);

impl Handler for Tap {
    fn open(&self, _session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(TapSession(self.0.clone()))
    }
}

impl Receiver for TapSession {
    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        let _ = self.0.send(match message {
            Message::Text(text) => Heard::Text(text),
            Message::Binary(data) => Heard::Binary(data),
        });
        Box::pin(std::future::ready(()))
    }

    fn closed(&mut self, reason: CloseReason) -> BoxFuture<'_, ()> {
        let _ = self.0.send(Heard::Closed(reason));
        Box::pin(std::future::ready(()))
    }
}

/// A Socket.IO application with something for every row of the reference.
///
/// Namespaces: `/`, `/chat`, `/custom` and `/1` take everybody, `/deny` nobody (message and data),
/// `/shut` nobody (message only). `/custom` emits `auth` with what the client brought.
///
/// Events: what wants an acknowledgement gets its arguments back in it, all else is emitted back as
/// it came, except `ask` (the client is asked `question`, and its acknowledgement emitted as
/// `answer`), `leave me` and `kick me` (the server ends namespace, or connection).
pub struct Stage {
    gone: UnboundedSender<(String, DisconnectReason)>,
}

/// Who left a [`Stage`], and why.
pub struct Exits(UnboundedReceiver<(String, DisconnectReason)>);

pub fn stage() -> (Stage, Exits) {
    let (gone, exits) = unbounded_channel();
    (Stage { gone }, Exits(exits))
}

impl Exits {
    /// The namespace that was left, and the reason as the reference names it.
    pub async fn next(&mut self) -> (String, String) {
        let (namespace, reason) = soon("somebody leaves", self.0.recv()).await.expect("a server");
        (namespace, reason.to_string())
    }

    /// What has been noted and not been read.
    pub fn now(&mut self) -> Option<(String, String)> {
        self.0.try_recv().ok().map(|(namespace, reason)| (namespace, reason.to_string()))
    }
}

impl App for Stage {
    fn has_namespace(&self, name: &str) -> bool {
        matches!(name, "/" | "/chat" | "/custom" | "/1" | "/deny" | "/shut")
    }

    async fn admit(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectError> {
        match &**socket.namespace() {
            "/deny" => {
                Err(ConnectError { message: "denied".into(), data: Some(json!({ "code": 7 })) })
            }
            "/shut" => Err(ConnectError::new("shut")),
            _ if auth["refuse"] == "me" => Err(ConnectError::new("refused")),
            _ => Ok(()),
        }
    }

    async fn connect(&self, socket: &Socket, auth: &Value) {
        if &**socket.namespace() == "/custom" {
            socket.emit("auth", [auth.clone()]);
        }
    }

    async fn event(&self, socket: &Socket, event: Event) {
        match (event.name.as_str(), event.ack) {
            ("ask", _) => {
                let answer = socket.emit_with_ack("question", event.args, event.attachments);
                let socket = socket.clone();
                tokio::spawn(async move {
                    if let Ok(answer) = answer.await {
                        socket.emit_with("answer", answer.args, answer.attachments);
                    }
                });
            }
            ("leave me", _) => socket.disconnect(false),
            ("kick me", _) => socket.disconnect(true),
            (_, Some(ack)) => ack.send_with(event.args, event.attachments),
            (name, None) => socket.emit_with(name, event.args, event.attachments),
        }
    }

    async fn disconnect(&self, socket: &Socket, reason: DisconnectReason) {
        let _ = self.gone.send((socket.namespace().to_string(), reason));
    }
}
