//! What other nodes and emitters ask of this node.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::adapter::PubSubAdapter;
use super::wire::{Asked, Request, Say, write_response};
use crate::cluster::node_format::FormatError;
use crate::cluster::redis::outbox::Worth;
use crate::socketio::{Args, Flags, NODE_TIMEOUT, Packet, Selector, answers};

impl PubSubAdapter {
    /// Does what a request asks. Who wants an answer gets one in any case: they count.
    pub(super) fn take_request(&self, _channel: &str, payload: &[u8]) -> Result<(), FormatError> {
        let Request { uid, id: request, is_old, asked } = Request::read(payload)?;
        // Another node of this kind asks old servers, and asks this one in other words.
        if uid.as_ref() == Some(&self.uid) || (is_old && uid.is_some()) {
            return Ok(());
        }
        let say = |say: Say<'_>| {
            if let Some(request) = &request {
                self.respond(request, is_old, say);
            }
        };
        match asked {
            Asked::Sockets(selector) => {
                let ids = self.node.sockets(&selector);
                let ids: Vec<Arc<str>> = ids.iter().map(|socket| socket.id().into()).collect();
                say(Say::Names(if is_old { "clients" } else { "sockets" }, &ids));
            }
            Asked::AllRooms => say(Say::Names("rooms", &self.all_rooms())),
            Asked::RoomsOf(id) => {
                if let Some(socket) = self.node.socket(&id) {
                    say(Say::Names("rooms", &socket.rooms()));
                }
            }
            Asked::OfOne(id, asked) => {
                if self.node.has(&id) {
                    self.act(*asked);
                    say(Say::Done);
                }
            }
            Asked::Fetch(selector) => say(Say::Sockets(&self.node.fetch(&selector))),
            Asked::ServerSide(packet) => self.ask_handlers(request, packet),
            Asked::Clients { packet, namespace, selector, flags } => {
                let is_ours = namespace.is_none_or(|it| it == *self.node.namespace());
                if let Some(request) = request.filter(|_| is_ours) {
                    self.ask_clients(request, packet, &selector, flags);
                }
            }
            Asked::Custom => say(Say::Done),
            Asked::Join(..) | Asked::Leave(..) | Asked::Disconnect(..) => self.act(asked),
        }
        Ok(())
    }

    fn act(&self, asked: Asked) {
        match asked {
            Asked::Join(selector, rooms) => self.node.join(&selector, &rooms),
            Asked::Leave(selector, rooms) => self.node.leave(&selector, &rooms),
            Asked::Disconnect(selector, close) => self.node.disconnect(&selector, close),
            _ => {}
        }
    }

    /// All rooms of this node, those of the sockets' ids among them.
    fn all_rooms(&self) -> Vec<Arc<str>> {
        let ids = self.node.sockets(&Selector::default()).into_iter().map(|it| it.id().into());
        self.node.rooms().into_iter().map(|(room, _)| room).chain(ids).collect()
    }

    fn respond(&self, request: &str, is_old: bool, say: Say<'_>) {
        let written = write_response(request, is_old, say, self.oldest);
        self.publish(&self.channels.responses, written, Worth::Renewed);
    }

    /// Asks this node's clients for another node.
    fn ask_clients(&self, request: Arc<str>, packet: Packet, selector: &Selector, flags: Flags) {
        let (sink, mut collector) = answers();
        let count = self.node.broadcast_with_ack(packet, selector, flags, &sink);
        drop(sink);
        self.respond(&request, false, Say::Count(count));
        if count == 0 {
            return;
        }
        let me = self.me();
        tokio::spawn(timeout(flags.timeout.unwrap_or(NODE_TIMEOUT), async move {
            while let (Some(args), Some(me)) = (collector.next().await, me.upgrade()) {
                me.respond(&request, false, Say::Ack(&args));
            }
        }));
    }

    /// Asks this node's handlers for another node.
    fn ask_handlers(&self, request: Option<Arc<str>>, packet: Packet) {
        let Some(request) = request else { return self.node.server_side(packet, None) };
        let (sender, answer) = oneshot::channel();
        self.node.server_side(packet, Some(sender));
        let me = self.me();
        tokio::spawn(async move {
            // Handlers that say nothing, or none at all, are an answer as well.
            let args = answer.await.unwrap_or_else(|_| Args::default());
            if let Some(me) = me.upgrade() {
                me.respond(&request, false, Say::ServerSide(&args));
            }
        });
    }
}
