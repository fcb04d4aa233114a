//! The namespace `/admin`, for the official Socket.IO Admin UI: a page that shows a server's numbers, and in
//! development mode its sockets and what they say, and disconnects them.

mod command;
mod hub;
mod journal;
mod login;
mod shown;
mod sockets;
mod stats;
mod watcher;

use std::future::ready;
use std::sync::Arc;

use crate::socketio::{Io, Namespace, Socket};

pub use hub::{Hub, Mode, WATCHERS};

/// The namespace's name.
pub const NAMESPACE: &str = "/admin";

/// Puts the namespace of the Admin UI beside an application's. To be called before those are made, so that
/// it sees what happens in them.
pub fn serve(io: &Io, hub: &Arc<Hub>) {
    let all = Arc::clone(hub);
    io.on_namespace(move |namespace| watch(namespace, &all));
    let admin = io.of(NAMESPACE);
    let [asked, came, told] = [hub; 3].map(Arc::clone);
    admin.use_guard(move |socket: Socket| ready(asked.admit(&socket, socket.auth())));
    admin.on_connect(move |socket| {
        came.welcome(&socket, socket.auth());
        ready(())
    });
    admin.on_fallback(move |socket, event| {
        let hub = Arc::clone(&told);
        async move { command::obey(&hub, &socket, &event).await }
    });
}

/// Tells the hub of each client that joins or leaves this namespace and, in namespaces of the application, of
/// each event that a client sends or gets.
fn watch(namespace: &Namespace, hub: &Arc<Hub>) {
    let [came, told, left] = [hub; 3].map(Arc::clone);
    namespace.on_connect(move |socket| {
        came.joined(&socket);
        ready(())
    });
    if &**namespace.name() != NAMESPACE {
        namespace.on_any(move |socket, event| told.received(socket, event));
        if hub.mode == Mode::Development {
            let [wanted, told] = [hub; 2].map(Arc::clone);
            namespace.on_any_outgoing_if(
                move || wanted.is_observed(),
                move |socket, name, args| told.sent(socket, name, args),
            );
        }
    }
    let (rooms, name) = (Arc::clone(hub), Arc::clone(namespace.name()));
    namespace.on_room(move |event| rooms.room(&name, event));
    // It is told before its rooms are, as the official server does it.
    namespace.on_disconnecting(move |socket, reason| {
        // A page makes room before others hear that it left.
        if &**socket.namespace().name() == NAMESPACE {
            left.farewell(&socket);
        }
        left.left(&socket, reason);
        ready(())
    });
}
