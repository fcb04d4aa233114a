//! Uploads: bytes anywhere in an event, an acknowledgement and a broadcast, beside other values.
//!
//! Run it with `cargo run --example socketio_upload`. It listens on port 3000, or on the port in the variable
//! `PORT`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Io, Socket};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// As the client has it: `{ name: 'a.txt', parts: [buffer, buffer] }`.
#[derive(Clone, Serialize, Deserialize)]
struct Upload {
    name: String,
    parts: Vec<Bytes>,
}

/// What was uploaded by name.
type Files = Arc<Mutex<HashMap<String, Upload>>>;

/// Files that are kept. How long each may be is `Limits::max_payload`.
const MAX_FILES: usize = 100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let files = Files::default();
    let io = Io::new();
    let root = io.of("/");
    let uploaded = Arc::clone(&files);
    root.on("upload", move |socket: Socket, upload: Upload, ack: Ack| {
        let files = Arc::clone(&uploaded);
        async move {
            let bytes: usize = upload.parts.iter().map(Bytes::len).sum();
            let mut files = files.lock().unwrap();
            if files.len() >= MAX_FILES && !files.contains_key(&upload.name) {
                return ack.send(json!({ "error": "too many files" }));
            }
            files.insert(upload.name.clone(), upload.clone());
            ack.send(json!({ "bytes": bytes }));
            socket.broadcast().emit("uploaded", upload);
        }
    });
    root.on("download", move |_socket, name: String, ack: Ack| {
        let upload = files.lock().unwrap().get(&name).cloned();
        async move { ack.send(upload) }
    });
    // What is no upload gets an answer that says so.
    root.on_error(|_socket, error| async move {
        error.ack.send(json!({ "error": error.fault.to_string() }));
    });
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
