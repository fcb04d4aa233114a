//! Sockets as other nodes see them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Socket;
use super::node::headers;

/// A socket as other nodes see it.
#[derive(Debug, Clone, PartialEq)]
pub struct SocketDetails {
    /// Its id.
    pub id: String,
    /// What is known of its client: an object as Node's servers have it.
    pub handshake: Value,
    /// Its rooms, its id among them.
    pub rooms: Vec<Arc<str>>,
    /// Its [`Socket::data`].
    pub data: Value,
}

impl SocketDetails {
    pub(super) fn of(socket: &Socket) -> Self {
        let handshake = socket.session().handshake();
        let query: serde_json::Map<String, Value> =
            form_urlencoded::parse(handshake.query.as_bytes())
                .map(|(key, value)| (key.into_owned(), value.into()))
                .collect();
        SocketDetails {
            id: socket.id(),
            handshake: json!({
                "address": handshake.remote.map(|remote| remote.to_string()),
                "headers": headers(handshake.headers()),
                "issued": handshake.issued,
                "secure": handshake.secure,
                "url": handshake.url(),
                "query": query,
                "auth": socket.auth(),
            }),
            rooms: socket.rooms(),
            data: socket.data(),
        }
    }
}
