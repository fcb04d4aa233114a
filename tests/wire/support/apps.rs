//! Applications to test with.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use parlance::dialect::Message;
use parlance::engine::{CloseReason, Handler, Receiver, Session};
use parlance::socketio::{Args, ConnectError, DisconnectReason, Event, Io, Socket};
use serde_json::json;
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
pub fn stage() -> (impl FnOnce(&Io), Exits) {
    let (gone, exits) = unbounded_channel();
    let serve = move |io: &Io| {
        for name in ["/", "/chat", "/custom", "/1", "/deny", "/shut"] {
            let (namespace, gone) = (io.of(name), gone.clone());
            namespace.use_middleware(|socket: Socket| ready(admit(&socket)));
            namespace.on_fallback(play);
            namespace.on_disconnect(move |socket: Socket, reason| {
                let _ = gone.send((socket.namespace().name().to_string(), reason));
                ready(())
            });
        }
        io.of("/custom").on_connect(|socket: Socket| {
            socket.emit("auth", socket.auth());
            ready(())
        });
    };
    (serve, Exits(exits))
}

/// Who left a [`stage`], and why.
pub struct Exits(UnboundedReceiver<(String, DisconnectReason)>);

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

fn admit(socket: &Socket) -> Result<(), ConnectError> {
    match &**socket.namespace().name() {
        "/deny" => Err(ConnectError::new("denied").data(json!({ "code": 7 }))),
        "/shut" => Err(ConnectError::new("shut")),
        _ if socket.auth()["refuse"] == "me" => Err(ConnectError::new("refused")),
        _ => Ok(()),
    }
}

async fn play(socket: Socket, event: Event) {
    match event.name.as_str() {
        "ask" => {
            let answer = socket.emit_with_ack::<Args>("question", event.args);
            tokio::spawn(async move {
                if let Ok(answer) = answer.await {
                    socket.emit("answer", answer);
                }
            });
        }
        "leave me" => socket.disconnect(false),
        "kick me" => socket.disconnect(true),
        _ if event.ack.is_wanted() => event.ack.send(event.args),
        name => socket.emit(name, event.args),
    }
}
