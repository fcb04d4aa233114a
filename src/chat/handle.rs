//! One room, as sessions and other nodes reach it: its bounded inbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use super::account;
use super::arrivals::{Arrival, Arrivals};
use super::chat_protocol::{ChatProtocol, Command};
use super::room::{Input, RoomTask, log_missed, tick_time};
use super::shared::Shared;
use crate::accounts::Refusal;
use crate::logged_names::truncated;
use crate::socketio::{Ack, Event, Namespace, Socket, Taken};

/// Inputs that may wait for the room.
const INBOX: usize = 1024;

/// The way into a room. It runs in the calls of many sessions and only translates their events. While the
/// room is busy, a client that sends something waits, and no other client does. The room ends when nobody
/// has this any more.
#[derive(Debug)]
pub(super) struct RoomHandle {
    inbox: mpsc::Sender<Input>,
    arrivals: Arc<Arrivals>,
    shared: Arc<Shared>,
    /// People of this node in it.
    people: Arc<AtomicUsize>,
}

impl RoomHandle {
    /// Makes a room for a namespace, and the task that runs it. If the namespace has an adapter of a
    /// cluster, to be called on a tokio runtime.
    pub fn new(namespace: &Namespace, shared: &Arc<Shared>) -> (Arc<Self>, RoomTask) {
        let (inbox, receiver) = mpsc::channel(INBOX);
        let arrivals = Arc::<Arrivals>::default();
        let ends = (inbox.downgrade(), receiver);
        let people = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&people);
        let task = RoomTask::new(namespace, ends, Arc::clone(&arrivals), shared, counted);
        if namespace.adapter().status().is_clustered() {
            let every = tick_time(shared.settings.node_timeout);
            tokio::spawn(tick(inbox.downgrade(), every));
        }
        (Arc::new(RoomHandle { inbox, arrivals, shared: Arc::clone(shared), people }), task)
    }

    /// How many people are in the room, on all nodes.
    pub fn people(&self) -> usize {
        self.people.load(Ordering::Relaxed)
    }

    pub async fn send(&self, input: Input) {
        // Fails only if the room's task is gone, which ends the process.
        let _ = self.inbox.send(input).await;
    }

    /// A client said something.
    pub async fn hear(&self, socket: Socket, event: Event) {
        let Event { name, args, ack } = event;
        let sid = socket.session().sid();
        match ChatProtocol::parse(&name, args.values) {
            Some((chat_protocol, Command::Join(name, options))) => {
                let (settled, decided) = oneshot::channel();
                let login = Input::Login { sid, chat_protocol, name, options, ack, settled };
                self.send(login).await;
                // Whatever else the client says is said with the name.
                let _ = decided.await;
                return;
            }
            Some((_, Command::Rename(name))) => {
                let (settled, decided) = oneshot::channel();
                self.send(Input::Rename { sid, name, ack, settled }).await;
                let _ = decided.await;
                return;
            }
            Some((_, Command::Token(token))) => return self.renew(socket, token, ack).await,
            Some((chat_protocol, command)) => {
                return self.send(Input::Command { sid, chat_protocol, command, ack }).await;
            }
            None => {}
        }
        let event = truncated(&name);
        if self.shared.unknown_events.is_new(event) {
            debug!(%sid, event, "an event that the chat does not know");
        }
        if ack.is_wanted() {
            self.send(Input::Unknown { sid, event: event.to_owned(), ack }).await;
        }
    }

    /// A page sends another token, before the one that it has expires.
    async fn renew(&self, socket: Socket, token: Option<String>, ack: Ack) {
        let sid = socket.session().sid();
        let (answered, answer) = oneshot::channel();
        self.send(Input::WhoIs { sid, answer: answered }).await;
        let accounts = self.shared.settings.accounts.as_ref();
        let new = match (accounts, answer.await.ok().flatten(), token) {
            (Some(accounts), Some(now), Some(token)) => {
                account::renew(accounts, &now, &token).await
            }
            _ => Err(Refusal::Invalid),
        };
        self.send(Input::Renewed { sid, new, ack }).await;
    }

    /// A broadcast has its place, of this node or of another.
    pub fn take(&self, taken: Taken) {
        match taken.origin {
            None => self.arrivals.push_own(taken),
            Some(_) => self.arrived(Arrival::Broadcast(taken)),
        }
    }

    /// Something of another node came.
    pub fn arrived(&self, arrival: Arrival) {
        match self.arrivals.push(arrival) {
            // If the inbox is full, the room looks anyway.
            Some(true) => drop(self.inbox.try_send(Input::Arrived)),
            Some(false) => {}
            None => {
                self.shared.stats.missed();
                log_missed();
            }
        }
    }
}

/// Has the room look at the clock.
async fn tick(inbox: mpsc::WeakSender<Input>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inbox) = inbox.upgrade() else { return };
        if inbox.send(Input::Tick).await.is_err() {
            return;
        }
    }
}
