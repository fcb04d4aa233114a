//! The Socket.IO part of one session: its namespaces, and the packet whose attachments are coming in.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use tracing::debug;

use super::Socket;
use super::event::{Ack, Event, EventError, EventFault};
use super::io::Io;
use super::join::{self, Leaving};
use super::reason::DisconnectReason;
use super::sockets::Sockets;
use super::values::Args;
use crate::dialect::{
    AckRequest, Body, Incoming, Malformed, Message, Reaction, SocketPacket, grammar,
};
use crate::engine::{Begun, CloseReason, Delivery, Receiver, Session};

/// The receiver of one session's messages. Decodes them and calls the application.
pub(super) struct Connection {
    pub(super) io: Io,
    pub(super) session: Arc<Session>,
    pub(super) sockets: Arc<Sockets>,
    partial: Option<Box<Partial>>,
}

/// A packet whose attachments are coming in. It is kept as text, because parsed JSON takes far more memory
/// and the client decides when the attachments come.
struct Partial {
    text: String,
    attachments: Vec<Bytes>,
    /// The number of attachments of the complete packet.
    due: usize,
}

impl Connection {
    pub fn new(io: Io, session: Arc<Session>) -> Self {
        Connection { io, session, sockets: Arc::default(), partial: None }
    }

    fn react(&self, reaction: Reaction, error: Malformed) {
        if reaction == Reaction::Close {
            self.session.malformed(error);
        }
    }

    /// Sets or clears the incomplete packet, and reports its size to the session, which bounds it.
    fn set_partial(&mut self, partial: Option<Partial>) {
        let content = |partial: &Partial| {
            partial.text.len() + partial.attachments.iter().map(Bytes::len).sum::<usize>()
        };
        self.session.begun(Begun::Packet, partial.as_ref().map_or(0, content));
        self.partial = partial.map(Box::new);
    }

    /// The packet that a text message completes.
    fn text(&mut self, text: &str) -> Option<SocketPacket> {
        let dialect = self.session.dialect();
        let malformed = dialect.rules().malformed;
        if self.partial.is_some() {
            self.set_partial(None);
            self.react(malformed, Malformed("text while attachments are due"));
            return None;
        }
        match dialect.decode(text, self.session.wire()) {
            Ok(Some(Incoming { due, .. })) if due > 0 => {
                let (text, attachments) = (text.to_owned(), Vec::new());
                self.set_partial(Some(Partial { text, attachments, due }));
            }
            Ok(Some(incoming)) => return Some(incoming.packet),
            Ok(None) => {}
            Err(error) => self.react(malformed, error),
        }
        None
    }

    /// The packet that an attachment completes.
    fn binary(&mut self, data: Bytes) -> Option<SocketPacket> {
        let malformed = self.session.dialect().rules().malformed;
        let Some(mut partial) = self.partial.take() else {
            self.react(malformed, Malformed("binary while no attachment is due"));
            return None;
        };
        partial.attachments.push(data);
        if partial.attachments.len() < partial.due {
            self.set_partial(Some(*partial));
            return None;
        }
        self.set_partial(None);
        let Partial { text, attachments, .. } = *partial;
        let dialect = self.session.dialect();
        if let Ok(Some(Incoming { packet, .. })) = dialect.decode(&text, self.session.wire()) {
            let packet = SocketPacket { attachments, ..packet };
            if grammar::placeholders_fit(&packet) {
                return Some(packet);
            }
            self.react(malformed, Malformed("placeholder without attachment"));
        }
        None
    }

    async fn packet(&mut self, packet: SocketPacket) {
        let SocketPacket { namespace, body, attachments } = packet;
        let joined =
            |socket: &&Socket| *socket.namespace().name() == namespace && !socket.has_left();
        let socket = self.sockets.lock().iter().find(joined).cloned();
        match (body, &socket) {
            // Rare and large: without a box of its own it makes the future of each message large.
            (Body::Connect(auth), None) => Box::pin(self.join(namespace, auth)).await,
            (Body::Connect(_), Some(_)) => self.react(
                self.session.dialect().rules().joined_twice,
                Malformed("namespace joined twice"),
            ),
            (Body::Disconnect, Some(socket)) => {
                socket.set_left();
                self.notify_disconnects(DisconnectReason::ByClient).await;
            }
            (Body::Event { name, args, ack }, socket) => {
                let ack = self.acknowledge(&namespace, socket.as_ref(), ack);
                match socket {
                    Some(socket) => {
                        let args = Args { values: args, attachments };
                        self.event(socket, Event { name, args, ack }).await;
                    }
                    None => self.not_joined(),
                }
            }
            (Body::Ack { id, args }, Some(socket)) => {
                socket.resolve(&id, Args { values: args, attachments });
            }
            (Body::Disconnect | Body::Ack { .. } | Body::ConnectError { .. }, _) => {}
        }
    }

    /// Acknowledges receipt if the client asked for that, or makes what the application acknowledges by.
    fn acknowledge(
        &self,
        namespace: &Arc<str>,
        socket: Option<&Socket>,
        ack: Option<AckRequest>,
    ) -> Ack {
        match (ack, socket) {
            (Some(AckRequest::ByApp(id)), Some(socket)) => Ack::new(socket, id),
            (Some(AckRequest::OnReceipt(id)), _) => {
                self.send(namespace, Body::Ack { id, args: Vec::new() });
                Ack::default()
            }
            (Some(AckRequest::ByApp(_)) | None, _) => Ack::default(),
        }
    }

    async fn event(&self, socket: &Socket, event: Event) {
        let table = socket.namespace().table();
        let Err(error) = table.dispatch(socket, event).await else { return };
        let EventError { name, fault, ack } = &error;
        if let EventFault::Mistyped(_) = fault {
            self.io.count_mistyped();
        }
        debug!(sid = %self.session.sid(), event = name, %fault, "no handler got an event");
        match &table.error {
            Some(handler) => handler(socket.clone(), error).await,
            None => ack.send(json!({ "error": fault.to_string() })),
        }
    }

    fn not_joined(&self) {
        let reaction = self.session.dialect().rules().not_joined;
        self.react(reaction, Malformed("event for a namespace that is not joined"));
    }

    /// Tells the application of each socket that has left, and drops the socket.
    async fn notify_disconnects(&mut self, reason: DisconnectReason) {
        while let Some(socket) = self.sockets.take_left() {
            let table = socket.namespace().table();
            let leaving = Leaving(&socket);
            for handler in &table.disconnecting {
                handler(socket.clone(), reason).await;
            }
            join::keep(&socket, reason);
            drop(leaving);
            for handler in &table.disconnect {
                handler(socket.clone(), reason).await;
            }
        }
    }

    pub(super) fn send(&self, namespace: &Arc<str>, body: Body) {
        let (namespace, attachments) = (Arc::clone(namespace), Vec::new());
        let packet = SocketPacket { namespace, body, attachments };
        let frames = self.session.dialect().encode(&packet, self.session.wire());
        self.session.push(&frames, Delivery::Reliable);
    }
}

impl Receiver for Connection {
    fn opened(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.session.dialect().rules().joins_by_itself {
                // Older clients send no auth payload for the default namespace; their query serves as one.
                let auth = grammar::query_to_auth(&self.session.handshake().query);
                self.join(Arc::from("/"), auth).await;
            }
        })
    }

    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // If the server has disconnected a socket, the application hears of that first.
            self.notify_disconnects(DisconnectReason::ByServer).await;
            let packet = match message {
                Message::Text(text) => self.text(&text),
                Message::Binary(data) => self.binary(data),
            };
            if let Some(packet) = packet {
                self.packet(packet).await;
            }
        })
    }

    fn nudged(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.notify_disconnects(DisconnectReason::ByServer))
    }

    fn closed(&mut self, reason: CloseReason) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.notify_disconnects(DisconnectReason::ByServer).await;
            let lost: Vec<Socket> = self.sockets.lock().iter().cloned().collect();
            lost.iter().for_each(join::lose);
            self.notify_disconnects(DisconnectReason::Session(reason)).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{SOCKET, new_session};
    use crate::engine::{Engine, Limits};

    #[tokio::test]
    async fn the_future_of_a_message_is_small() {
        let io = Io::new();
        let engine = Engine::new(Limits::default(), io.clone());
        let session = engine.open(new_session(&SOCKET)).unwrap();
        let mut connection = Connection::new(io, session);
        let size = size_of_val(&*connection.message(Message::Text("42[\"m\"]".into())));
        // Larger ones are slower to allocate, for each message of each client.
        assert!(size <= 1024, "{size} bytes");
    }
}
