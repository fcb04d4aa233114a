//! Events between the nodes of a cluster.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tracing::error;

use super::values::{Args, IntoArgs};

/// An event that another node sent to this one's namespace.
#[derive(Debug, Clone)]
pub struct ServerSideEvent {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Args,
    answer: Option<Arc<Mutex<Option<oneshot::Sender<Args>>>>>,
}

impl ServerSideEvent {
    pub(super) fn new(name: String, args: Args, answer: Option<oneshot::Sender<Args>>) -> Self {
        let answer = answer.map(|answer| Arc::new(Mutex::new(Some(answer))));
        ServerSideEvent { name, args, answer }
    }

    /// Whether the other node waits for an answer.
    pub fn wants_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// Answers with a value: other nodes get one, the first. The first answer counts.
    pub fn answer(&self, value: impl IntoArgs) {
        let Some(answer) = &self.answer else { return };
        let waiting = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (waiting, value.into_args()) {
            (Some(waiting), Ok(args)) => drop(waiting.send(args)),
            (None, _) => {}
            (_, Err(error)) => error!(%error, "an acknowledgement cannot be written as JSON"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_gets_the_first_answer() {
        let event = |answer| ServerSideEvent::new("count".into(), Args::default(), answer);
        let unasked = event(None);
        assert!(!unasked.wants_answer());
        unasked.answer(1);
        let (sender, mut receiver) = oneshot::channel();
        let asked = event(Some(sender));
        assert!(asked.wants_answer());
        asked.answer(1);
        asked.answer(2);
        assert_eq!(receiver.try_recv(), Ok(1.into_args().unwrap()));
    }
}
