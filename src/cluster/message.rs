//! What nodes tell each other.

use std::sync::Arc;

use crate::socketio::{Args, Flags, Packet, Selector, SocketDetails};

/// A message of one node to others.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who sends it: one name for each node and namespace.
    pub uid: Arc<str>,
    /// The namespace that it concerns.
    pub namespace: Arc<str>,
    /// What it says.
    pub content: Content,
}

/// What a message says. Answers have the `request` of the question.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The sender is new: answered with a heartbeat.
    InitialHeartbeat,
    /// The sender is there.
    Heartbeat,
    /// An event for clients. With a request, who is asked is counted, and what they answer passed on.
    Broadcast {
        /// The event.
        packet: Packet,
        /// For whom.
        selector: Selector,
        /// How.
        flags: Flags,
        /// If acknowledgements are wanted.
        request: Option<Arc<str>>,
    },
    /// Sockets join rooms.
    SocketsJoin {
        /// Which sockets.
        selector: Selector,
        /// Which rooms.
        rooms: Vec<Arc<str>>,
    },
    /// Sockets leave rooms.
    SocketsLeave {
        /// Which sockets.
        selector: Selector,
        /// Which rooms.
        rooms: Vec<Arc<str>>,
    },
    /// Sockets are disconnected.
    DisconnectSockets {
        /// Which.
        selector: Selector,
        /// Whether their sessions are closed.
        close: bool,
    },
    /// Which sockets there are: always answered.
    FetchSockets {
        /// Which are meant.
        selector: Selector,
        /// What the answer is to name.
        request: Arc<str>,
    },
    /// These.
    FetchSocketsResponse {
        /// The question's.
        request: Arc<str>,
        /// They.
        sockets: Vec<SocketDetails>,
    },
    /// An event for the other nodes: answered if there is a request, and a handler that answers.
    ServerSideEmit {
        /// The event.
        packet: Packet,
        /// If an answer is wanted.
        request: Option<Arc<str>>,
    },
    /// The answer.
    ServerSideEmitResponse {
        /// The question's.
        request: Arc<str>,
        /// What the handler answers.
        args: Args,
    },
    /// So many clients were asked: sent once for each broadcast that wants acknowledgements.
    BroadcastClientCount {
        /// The broadcast's.
        request: Arc<str>,
        /// How many.
        count: usize,
    },
    /// One of them answered.
    BroadcastAck {
        /// The broadcast's.
        request: Arc<str>,
        /// What it said.
        args: Args,
    },
    /// The sender leaves.
    AdapterClose,
}

impl Content {
    /// Whether nobody misses it if it does not arrive: the node says it again by itself, or who asked hears that not
    /// all have answered. The rest is what people or the application said.
    pub fn is_passing(&self) -> bool {
        match self {
            Content::Broadcast { .. }
            | Content::SocketsJoin { .. }
            | Content::SocketsLeave { .. }
            | Content::DisconnectSockets { .. } => false,
            Content::ServerSideEmit { request, .. } => request.is_some(),
            _ => true,
        }
    }

    /// The number of this type in the messages of Node's adapters.
    pub fn number(&self) -> u8 {
        match self {
            Content::InitialHeartbeat => 1,
            Content::Heartbeat => 2,
            Content::Broadcast { .. } => 3,
            Content::SocketsJoin { .. } => 4,
            Content::SocketsLeave { .. } => 5,
            Content::DisconnectSockets { .. } => 6,
            Content::FetchSockets { .. } => 7,
            Content::FetchSocketsResponse { .. } => 8,
            Content::ServerSideEmit { .. } => 9,
            Content::ServerSideEmitResponse { .. } => 10,
            Content::BroadcastClientCount { .. } => 11,
            Content::BroadcastAck { .. } => 12,
            Content::AdapterClose => 13,
        }
    }
}
