//! Questions to other nodes that are not answered yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::socketio::{AnswerSink, Args};

/// The nodes whose answers a question waits for.
#[derive(Debug)]
enum Expected {
    /// These.
    Nodes(Vec<Arc<str>>),
    /// So many, once that is known; and those that have answered.
    Count(Option<usize>, HashSet<Arc<str>>),
}

impl Expected {
    /// Whether a node's answer was waited for.
    fn heard(&mut self, node: &str) -> bool {
        match self {
            Expected::Nodes(nodes) => {
                let at = nodes.iter().position(|asked| &**asked == node);
                at.map(|at| nodes.swap_remove(at)).is_some()
            }
            Expected::Count(_, heard) => heard.insert(node.into()),
        }
    }

    fn missing(&self) -> usize {
        match self {
            Expected::Nodes(nodes) => nodes.len(),
            Expected::Count(count, heard) => count.unwrap_or(0).saturating_sub(heard.len()),
        }
    }

    fn is_done(&self) -> bool {
        !matches!(self, Expected::Count(None, _)) && self.missing() == 0
    }
}

/// Questions of one kind: who has not answered each.
#[derive(Debug)]
pub struct Requests<T>(Mutex<HashMap<Arc<str>, Pending<T>>>);

#[derive(Debug)]
struct Pending<T> {
    expected: Expected,
    answers: UnboundedSender<T>,
}

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Requests(Mutex::default())
    }
}

impl<T> Requests<T> {
    /// Notes a question to some nodes, or, with `None`, to a number of them which will be known. What is
    /// returned gives their answers, and ends when all have answered or gone.
    pub fn ask(&self, request: &Arc<str>, nodes: Option<Vec<Arc<str>>>) -> UnboundedReceiver<T> {
        let (answers, receiver) = unbounded_channel();
        let expected = match nodes {
            Some(nodes) => Expected::Nodes(nodes),
            None => Expected::Count(None, HashSet::new()),
        };
        if !expected.is_done() {
            let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            requests.insert(Arc::clone(request), Pending { expected, answers });
        }
        receiver
    }

    /// So many nodes are to answer.
    pub fn expect(&self, request: &str, nodes: usize) {
        self.change(request, |pending| {
            if let Expected::Count(count, _) = &mut pending.expected {
                *count = Some(nodes);
            }
        });
    }

    /// A node has answered. One that was not asked is not heard.
    pub fn answer(&self, request: &str, node: &str, answer: T) {
        self.change(request, |pending| {
            if pending.expected.heard(node) {
                let _ = pending.answers.send(answer);
            }
        });
    }

    fn change(&self, request: &str, change: impl FnOnce(&mut Pending<T>)) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pending) = requests.get_mut(request) else { return };
        change(pending);
        if pending.expected.is_done() {
            requests.remove(request);
        }
    }

    /// Nobody waits any more. Returns how many nodes have not answered.
    pub fn end(&self, request: &str) -> usize {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.remove(request).map_or(0, |pending| pending.expected.missing())
    }

    /// A node will not answer: it has gone.
    pub fn gone(&self, node: &str) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.retain(|_, pending| {
            if let Expected::Nodes(nodes) = &mut pending.expected {
                nodes.retain(|asked| &**asked != node);
            }
            !pending.expected.is_done()
        });
    }
}

/// Broadcasts whose acknowledgements come from other nodes.
#[derive(Debug, Default)]
pub struct Broadcasts(Mutex<HashMap<Arc<str>, Awaited>>);

#[derive(Debug)]
struct Awaited {
    answers: AnswerSink,
    /// Who has not said yet how many of its clients were asked.
    untold: Expected,
    /// How many answers are still to come from each of the others.
    left: HashMap<Arc<str>, usize>,
}

impl Broadcasts {
    /// Notes a broadcast to some nodes, or, with `None`, to a number of them which will be known.
    pub fn ask(&self, request: &Arc<str>, nodes: Option<Vec<Arc<str>>>, answers: AnswerSink) {
        let untold = match nodes {
            Some(nodes) => Expected::Nodes(nodes),
            None => Expected::Count(None, HashSet::new()),
        };
        if !untold.is_done() {
            let awaited = Awaited { answers, untold, left: HashMap::new() };
            let mut broadcasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            broadcasts.insert(Arc::clone(request), awaited);
        }
    }

    /// So many nodes are to answer.
    pub fn expect(&self, request: &str, nodes: usize) {
        self.change(request, |awaited| {
            if let Expected::Count(count, _) = &mut awaited.untold {
                *count = Some(nodes);
            }
        });
    }

    /// So many clients of a node were asked.
    pub fn count(&self, request: &str, node: &str, count: usize) {
        self.change(request, |awaited| {
            if awaited.untold.heard(node) {
                awaited.left.insert(node.into(), count);
                awaited.answers.expect(count);
            }
        });
    }

    /// A client of a node answered.
    pub fn answer(&self, request: &str, node: &str, args: Args) {
        self.change(request, |awaited| {
            if let Some(left @ 1..) = awaited.left.get_mut(node) {
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
            awaited.left.remove(node);
            if let Expected::Nodes(nodes) = &mut awaited.untold {
                nodes.retain(|asked| &**asked != node);
            }
            !awaited.is_done()
        });
    }

    fn change(&self, request: &str, change: impl FnOnce(&mut Awaited)) {
        let mut broadcasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(awaited) = broadcasts.get_mut(request) else { return };
        change(awaited);
        if awaited.is_done() {
            broadcasts.remove(request);
        }
    }
}

impl Awaited {
    fn is_done(&self) -> bool {
        self.untold.is_done() && self.left.values().all(|left| *left == 0)
    }
}
