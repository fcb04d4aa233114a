//! Questions to other nodes that are not answered yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::socketio::AnswerSink;

/// Questions of one kind: who has not answered each.
#[derive(Debug)]
pub struct Requests<T>(Mutex<HashMap<Arc<str>, Pending<T>>>);

#[derive(Debug)]
struct Pending<T> {
    nodes: Vec<Arc<str>>,
    answers: UnboundedSender<T>,
}

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Requests(Mutex::default())
    }
}

impl<T> Requests<T> {
    /// Notes a question to some nodes. What is returned gives their answers, and ends when all have
    /// answered or gone.
    pub fn ask(&self, request: &Arc<str>, nodes: Vec<Arc<str>>) -> UnboundedReceiver<T> {
        let (answers, receiver) = unbounded_channel();
        if !nodes.is_empty() {
            let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            requests.insert(Arc::clone(request), Pending { nodes, answers });
        }
        receiver
    }

    /// A node has answered. One that was not asked is not heard.
    pub fn answer(&self, request: &str, node: &str, answer: T) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pending) = requests.get_mut(request) else { return };
        let Some(at) = pending.nodes.iter().position(|asked| &**asked == node) else { return };
        pending.nodes.swap_remove(at);
        let _ = pending.answers.send(answer);
        if pending.nodes.is_empty() {
            requests.remove(request);
        }
    }

    /// Nobody waits any more. Returns how many nodes have not answered.
    pub fn end(&self, request: &str) -> usize {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.remove(request).map_or(0, |pending| pending.nodes.len())
    }

    /// A node will not answer: it has gone.
    pub fn gone(&self, node: &str) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.retain(|_, pending| {
            pending.nodes.retain(|asked| &**asked != node);
            !pending.nodes.is_empty()
        });
    }
}

/// Broadcasts whose acknowledgements come from other nodes.
#[derive(Debug, Default)]
pub struct Broadcasts(Mutex<HashMap<Arc<str>, Awaited>>);

#[derive(Debug)]
struct Awaited {
    answers: AnswerSink,
    /// How many answers come from each node; `None` until it has said so.
    nodes: HashMap<Arc<str>, Option<usize>>,
}

impl Broadcasts {
    pub fn ask(&self, request: &Arc<str>, nodes: &[Arc<str>], answers: AnswerSink) {
        let nodes: HashMap<_, _> = nodes.iter().map(|node| (Arc::clone(node), None)).collect();
        if !nodes.is_empty() {
            let mut broadcasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            broadcasts.insert(Arc::clone(request), Awaited { answers, nodes });
        }
    }

    /// So many clients of a node were asked.
    pub fn count(&self, request: &str, node: &str, count: usize) {
        self.change(request, |awaited| {
            if let Some(expected @ None) = awaited.nodes.get_mut(node) {
                *expected = Some(count);
                awaited.answers.expect(count);
            }
        });
    }

    /// A client of a node answered.
    pub fn answer(&self, request: &str, node: &str, args: crate::socketio::Args) {
        self.change(request, |awaited| {
            if let Some(Some(left @ 1..)) = awaited.nodes.get_mut(node) {
                *left -= 1;
                awaited.answers.answer(args);
            }
        });
    }

    /// Nobody waits any more.
    pub fn end(&self, request: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(request);
    }

    /// A node has gone: nothing more comes from it.
    pub fn gone(&self, node: &str) {
        let mut broadcasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        broadcasts.retain(|_, awaited| {
            awaited.nodes.remove(node);
            !awaited.nodes.is_empty()
        });
    }

    fn change(&self, request: &str, change: impl FnOnce(&mut Awaited)) {
        let mut broadcasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(awaited) = broadcasts.get_mut(request) else { return };
        change(awaited);
        awaited.nodes.retain(|_, left| *left != Some(0));
        if awaited.nodes.is_empty() {
            broadcasts.remove(request);
        }
    }
}
