//! The handlers of benches/library/server.rs on socketioxide.
use serde::Serialize;
use socketioxide::{extract::{AckSender, Data, SocketRef}, SocketIo};

#[derive(Serialize)]
struct Message { message: String }

async fn connected(s: SocketRef) {
    s.on("join", async |s: SocketRef, Data(rooms): Data<Vec<String>>, ack: AckSender| {
        s.join(rooms);
        ack.send(&()).ok();
    });
    s.on("leave", async |s: SocketRef, Data(rooms): Data<Vec<String>>, ack: AckSender| {
        s.leave(rooms);
        ack.send(&()).ok();
    });
    s.on("say", async |s: SocketRef, Data((room, message)): Data<(String, String)>| {
        s.within(room).emit("new message", &Message { message }).await.ok();
    });
    s.on("ask", async |s: SocketRef, Data(times): Data<u32>| { tokio::spawn(ask(s, times)); });
}

async fn ask(s: SocketRef, times: u32) {
    let mut right = 0;
    for number in 0..times {
        let Ok(answer) = s.emit_with_ack::<_, u32>("question", &number) else { continue };
        right += u32::from(answer.await.is_ok_and(|answer| answer == number));
    }
    s.emit("asked", &right).ok();
}

#[tokio::main]
async fn main() {
    let port = std::env::var("PORT").unwrap_or("3000".into());
    let (layer, io) = SocketIo::builder().build_layer();
    io.ns("/", connected);
    let app = axum::Router::new().layer(layer);
    let l = tokio::net::TcpSocket::new_v4().unwrap();
    l.set_reuseaddr(true).unwrap();
    l.bind(format!("127.0.0.1:{port}").parse().unwrap()).unwrap();
    let l = l.listen(4096).unwrap();
    use axum::serve::ListenerExt;
    let l = l.tap_io(|s| { s.set_nodelay(true).ok(); });
    axum::serve(l, app).await.unwrap();
}
