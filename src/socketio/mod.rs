//! Socket.IO on top of sessions: namespaces, rooms, events, acknowledgements, binary in place.
//!
//! An application registers functions with the [`Namespace`]s of an [`Io`]. They get [`Socket`]s and the
//! arguments of events in types of their own, the same for clients of all generations.

mod acks;
mod adapter;
mod answers;
mod broadcast;
mod by_id;
mod connection;
mod details;
mod emitter;
mod event;
mod extensions;
mod family;
mod handlers;
mod io;
mod join;
mod members;
mod namespace;
mod node;
mod operator;
mod own_handlers;
mod reason;
mod recovery;
mod remote;
mod rooms;
mod selector;
mod server_side;
mod socket;
mod sockets;
mod status;
mod taken;
mod values;

pub use acks::AckError;
pub use adapter::{
    Act, Adapter, Fetched, Incomplete, Local, NODE_TIMEOUT, Packet, Resume, SharedSessions,
};
pub use answers::{AnswerSink, Answers, Collector, answers};
pub use broadcast::Broadcast;
pub use details::SocketDetails;
pub use emitter::{ACK_TIMEOUT, Emitter};
pub use event::{Ack, Event, EventError, EventFault, EventHandler, FromEvent};
pub use extensions::Extensions;
pub use family::Family;
pub use handlers::Handlers;
pub use io::{Io, IoBuilder};
pub use namespace::Namespace;
pub use node::{LocalNode, RoomEvent};
pub use operator::BroadcastOperator;
pub use reason::{ConnectError, DisconnectReason};
pub use recovery::{Missed, RecoverySettings, Restored, SessionRecord};
pub use remote::RemoteSocket;
pub use selector::{Flags, RoomNames, Selector};
pub use server_side::ServerSideEvent;
pub use socket::Socket;
pub use status::{ClusterLink, ClusterStatus};
pub use taken::{Part, Place, Replay, Taken};
pub use values::{Args, FromArgs, InPlace, IntoArgs, ValueError};
