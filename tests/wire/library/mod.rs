//! The library's interface for applications, seen by clients: namespaces, middleware, typed events, rooms,
//! operators, acknowledgements of many.

mod contract;
mod edges;
mod events;
mod handshake;
mod hooks;
mod namespaces;
mod openings;
mod operators;
mod recovery;
mod rooms;
mod volatile;

use parlance::socketio::Io;

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer};

/// A server, and its Socket.IO, which clients may join.
async fn start(serve: impl FnOnce(&Io)) -> (TestServer, Io) {
    let mut io = None;
    let server = Setup::default().start_app(|it| serve(io.insert(it.clone()))).await;
    (server, io.expect("it was started"))
}

/// A client on a WebSocket, and its socket's id.
async fn client(server: &TestServer, eio: Eio) -> (Client, String) {
    let mut client = Client::open(server, eio, Via::WebSocket).await;
    let id = client.join_default().await;
    (client, id)
}

/// Three clients: two of protocol 4, one of protocol 3 between them.
async fn three(server: &TestServer) -> [(Client, String); 3] {
    [client(server, Eio::V4).await, client(server, Eio::V3).await, client(server, Eio::V4).await]
}
