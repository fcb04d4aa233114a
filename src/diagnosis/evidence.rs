//! The namespace by which Parlance's page tells what it saw, and hears the verdict; and by which it tests
//! what becomes of its bytes on the way.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::book::Book;
use super::facts::Facts;
use crate::engine::{Sid, process_name};
use crate::socketio::{Event, Io, Socket};
use crate::token_bucket::Rate;

/// Characters of an echo.
pub const LONGEST_ECHO: usize = 64 * 1024;
/// Echoes and streams of pieces of one session; an address has ten times as many: `/diagnostics` has a few for each transport.
const TESTS: Rate = Rate::one_per(Duration::from_secs(5), 20);
/// Pieces of a stream, and the pause between them. A proxy that collects them passes them on at once.
const PIECES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);

/// The namespace's name.
pub const NAMESPACE: &str = "/parlance";

/// Reports of one session; an address has ten times as many. A page has one for each transport that failed, and one for a loss.
const REPORTS: Rate = Rate::one_per(Duration::from_secs(10), 10);

/// The namespace `/parlance`, where a client sends `evidence` with an object of [`Facts`] about an attempt
/// that failed, and gets the verdict as acknowledgement. For tests of the way there are `echo`, which gives a
/// text back, and `pieces`, which has a few events `piece` follow with a pause between them. On joining, the
/// event `server` names this process.
pub fn serve(io: &Io, book: &Arc<Book>) {
    let namespace = io.of(NAMESPACE);
    namespace.on_connect(|socket: Socket| {
        socket.emit("server", process_name());
        ready(())
    });
    let book = Arc::clone(book);
    namespace.on_fallback(move |socket, event| {
        if event.ack.is_wanted() {
            let answer = answer(&book, &socket, &event);
            event.ack.send(answer);
        }
        ready(())
    });
}

fn answer(book: &Book, socket: &Socket, event: &Event) -> Value {
    let is_test = matches!(&*event.name, "echo" | "pieces");
    if is_test && !book.may_test(socket.session(), TESTS) {
        return json!({ "error": "too many tests" });
    }
    match (&*event.name, event.args.values.first()) {
        ("echo", Some(Value::String(text))) if text.len() <= LONGEST_ECHO => {
            Value::from(text.as_str())
        }
        ("echo", _) => json!({ "error": format!("at most {LONGEST_ECHO} bytes of text") }),
        ("pieces", _) => {
            tokio::spawn(pieces(socket.clone()));
            json!({ "pieces": PIECES, "pause": PAUSE.as_millis() as u64 })
        }
        ("evidence", Some(Value::Object(told))) => {
            let lost = told.get("session").and_then(Value::as_str).and_then(Sid::parse);
            match book.may_tell(socket.session(), REPORTS) {
                true => book.hear(socket.session(), &Facts::from_client(told), lost).to_json(),
                false => json!({ "error": "too many reports" }),
            }
        }
        ("evidence", _) => json!({ "error": "evidence is an object of facts" }),
        _ => json!({ "error": "no such event" }),
    }
}

async fn pieces(socket: Socket) {
    for number in 0..PIECES {
        tokio::time::sleep(PAUSE).await;
        if socket.has_left() {
            return;
        }
        socket.emit("piece", number);
    }
}
