//! Rooms: clients join and leave them, write to one or to several, and see who is there.
//!
//! Run it with `cargo run --example socketio_rooms`. It listens on port 3000, or on the port in the variable
//! `PORT`.

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Io, Namespace, Socket};

/// The rooms of a socket: the first is its id.
fn names(socket: &Socket) -> Vec<String> {
    socket.rooms().iter().map(|room| room.to_string()).collect()
}

fn rooms(root: &Namespace) {
    root.on("join", |socket: Socket, room: String, ack: Ack| async move {
        socket.join(&room);
        socket.to(&room).emit("joined", (room, socket.id()));
        ack.send(names(&socket));
    });
    root.on("leave", |socket: Socket, room: String, ack: Ack| async move {
        socket.leave(&room);
        ack.send(names(&socket));
    });
    // To all others who are in one of the rooms, once, but not to those who are also in `muted`.
    root.on("say", |socket: Socket, rooms: Vec<String>, text: String| async move {
        socket.to(rooms).except("muted").emit("said", (socket.id(), text));
    });
    root.on("who", |socket: Socket, room: String, ack: Ack| async move {
        match socket.namespace().to(room).fetch_sockets().await {
            Ok(there) => {
                ack.send(there.iter().map(|it| it.id().to_owned()).collect::<Vec<_>>());
            }
            Err(error) => ack.send(error.to_string()),
        }
    });
    // Has everybody in one room join another.
    root.on("merge", |socket: Socket, from: String, into: String, ack: Ack| async move {
        socket.namespace().to(from).sockets_join(into);
        ack.send(());
    });
    // The rooms are still there at this moment.
    root.on_disconnecting(|socket, _reason| async move {
        for room in names(&socket).into_iter().skip(1) {
            socket.to(&room).emit("left", (&room, socket.id()));
        }
    });
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    rooms(&io.of("/"));
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
