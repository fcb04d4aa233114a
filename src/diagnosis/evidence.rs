//! The namespace by which Parlance's page tells what it saw, and hears the verdict.

use std::sync::Arc;

use serde_json::{Value, json};

use super::book::Book;
use super::facts::Facts;
use crate::socketio::{App, ConnectError, DisconnectReason, Event, Socket};
use crate::token_bucket::Rate;

/// The namespace's name.
pub const NAMESPACE: &str = "/parlance";

/// Reports of one session. A page has one for each transport that failed, and one for a loss.
const REPORTS: Rate = Rate::one_per(std::time::Duration::from_secs(10), 10);

/// An application, and beside it the namespace `/parlance`, where a client sends `evidence` with an
/// object of [`Facts`] about an attempt that failed, and gets the verdict as acknowledgement.
#[derive(Debug)]
pub struct Evidence<A> {
    app: A,
    book: Arc<Book>,
}

impl<A> Evidence<A> {
    /// Puts the namespace beside an application's.
    pub fn beside(app: A, book: Arc<Book>) -> Self {
        Evidence { app, book }
    }

    fn answer(&self, socket: &Socket, event: Event) {
        let Some(ack) = event.ack.filter(|_| event.name == "evidence") else { return };
        let answer = match event.args.first() {
            Some(Value::Object(told)) => {
                match self.book.may_tell(socket.session().sid(), REPORTS) {
                    true => self.book.hear(socket.session(), &Facts::from_client(told)).to_json(),
                    false => json!({ "error": "too many reports" }),
                }
            }
            _ => json!({ "error": "evidence is an object of facts" }),
        };
        ack.send([answer]);
    }
}

impl<A: App> App for Evidence<A> {
    fn has_namespace(&self, name: &str) -> bool {
        name == NAMESPACE || self.app.has_namespace(name)
    }

    async fn admit(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectError> {
        match is_ours(socket) {
            true => Ok(()),
            false => self.app.admit(socket, auth).await,
        }
    }

    async fn connect(&self, socket: &Socket, auth: &Value) {
        if !is_ours(socket) {
            self.app.connect(socket, auth).await;
        }
    }

    async fn event(&self, socket: &Socket, event: Event) {
        match is_ours(socket) {
            true => self.answer(socket, event),
            false => self.app.event(socket, event).await,
        }
    }

    async fn disconnect(&self, socket: &Socket, reason: DisconnectReason) {
        if !is_ours(socket) {
            self.app.disconnect(socket, reason).await;
        }
    }
}

fn is_ours(socket: &Socket) -> bool {
    &**socket.namespace() == NAMESPACE
}
