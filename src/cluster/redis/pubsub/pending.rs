//! Questions to other nodes that are not answered yet. An answer does not say whose it is, so it is counted
//! how many came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::wire::{Response, Told};
use crate::cluster::node_format::FormatError;
use crate::socketio::{AnswerSink, Args, SocketDetails};

/// All of them, by the name that answers give.
#[derive(Debug, Default)]
pub struct Pending(Mutex<HashMap<Arc<str>, Asking>>);

#[derive(Debug)]
enum Asking {
    Sockets(UnboundedSender<Vec<SocketDetails>>),
    Handlers(UnboundedSender<Args>),
    Clients(Clients),
}

/// Clients of other nodes are asked for acknowledgements.
#[derive(Debug)]
struct Clients {
    sink: AnswerSink,
    /// How many nodes are to say how many clients they ask; `None` until that is known.
    nodes: Option<usize>,
    /// How many nodes said so.
    counted: usize,
    /// How many answers of clients are still to come.
    left: usize,
}

impl Clients {
    fn is_over(&self) -> bool {
        self.left == 0 && self.nodes.is_some_and(|nodes| self.counted >= nodes)
    }
}

impl Pending {
    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, Asking>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    pub fn sockets(&self, request: &Arc<str>) -> UnboundedReceiver<Vec<SocketDetails>> {
        let (sender, receiver) = unbounded_channel();
        self.all().insert(Arc::clone(request), Asking::Sockets(sender));
        receiver
    }

    pub fn handlers(&self, request: &Arc<str>) -> UnboundedReceiver<Args> {
        let (sender, receiver) = unbounded_channel();
        self.all().insert(Arc::clone(request), Asking::Handlers(sender));
        receiver
    }

    pub fn clients(&self, request: &Arc<str>, sink: AnswerSink) {
        let clients = Clients { sink, nodes: None, counted: 0, left: 0 };
        self.all().insert(Arc::clone(request), Asking::Clients(clients));
    }

    /// So many nodes were asked for their clients.
    pub fn nodes(&self, request: &str, nodes: usize) {
        let mut all = self.all();
        if let Some(Asking::Clients(clients)) = all.get_mut(request) {
            clients.nodes = Some(nodes);
            if clients.is_over() {
                all.remove(request);
            }
        }
    }

    /// Nobody waits any more.
    pub fn end(&self, request: &str) {
        self.all().remove(request);
    }

    /// Takes a response. Those to other nodes are not ours.
    pub fn answer(&self, response: Response) -> Result<(), FormatError> {
        let mut all = self.all();
        let request = Arc::clone(&response.request);
        match all.get_mut(&request) {
            None => {}
            // Who asked may wait no more.
            Some(Asking::Sockets(sender)) => drop(sender.send(response.sockets()?)),
            Some(Asking::Handlers(sender)) => drop(sender.send(response.args())),
            Some(Asking::Clients(clients)) => {
                match response.told()? {
                    Told::Count(count) => {
                        clients.counted += 1;
                        clients.left = clients.left.saturating_add(count);
                        clients.sink.expect(count);
                    }
                    Told::Ack(args) if clients.left > 0 => {
                        clients.left -= 1;
                        clients.sink.answer(args);
                    }
                    Told::Ack(_) => {}
                }
                if clients.is_over() {
                    all.remove(&request);
                }
            }
        }
        Ok(())
    }
}
