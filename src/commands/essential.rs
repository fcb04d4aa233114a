//! Essential tasks: the process ends when one of them does, because the server is useless without
//! it.

use std::collections::HashMap;
use std::fmt;
use std::panic::PanicHookInfo;

use tokio::task::{Id, JoinError, JoinSet};
use tracing::error;

use crate::telemetry::{self, Format};

/// A set of essential tasks. Dropping it aborts them.
#[derive(Debug, Default)]
pub struct Essential {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// An essential task has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// The name from [`Essential::spawn`].
    pub task: &'static str,
    /// The panic message; `None` if the task returned.
    pub panic: Option<String>,
}

impl std::error::Error for Ended {}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.panic {
            Some(message) => write!(f, "{} panicked: {message}", self.task),
            None => write!(f, "{} came to an end", self.task),
        }
    }
}

impl Essential {
    /// Spawns a task that must run as long as the process. `name` appears in the log.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for the next task that returns or panics. Cancel-safe.
    pub async fn ended(&mut self) -> Ended {
        let Some(ended) = self.tasks.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let (id, panic) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(describe(error))),
        };
        Ended { task: self.names.remove(&id).unwrap_or("a task"), panic }
    }

    /// Waits for the next task that panics. For use while the server stops, when tasks may return.
    pub async fn panicked(&mut self) -> Ended {
        loop {
            let ended = self.ended().await;
            if ended.panic.is_some() {
                return ended;
            }
        }
    }
}

fn describe(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => panic_message(&*payload).to_owned(),
        Err(error) => error.to_string(),
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// Logs panics, in addition to the default message on stderr.
pub fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        // Its lines are for people, and whoever reads JSON gets the same by the log.
        if telemetry::format() == Format::Text {
            before(info);
        }
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        error!(
            at,
            said = panic_message(info.payload()),
            "panic: this is a fault of Parlance's own"
        );
    }));
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    /// The error when the task `room` ends while other tasks run on.
    async fn error_of(room: impl Future<Output = ()> + Send + 'static) -> String {
        let mut essential = Essential::default();
        essential.spawn("the reloader", pending());
        essential.spawn("the room", room);
        essential.spawn("the keeper", pending());
        essential.ended().await.to_string()
    }

    #[tokio::test]
    async fn who_ends_is_named_and_why() {
        assert_eq!(error_of(ready(())).await, "the room came to an end");
        assert_eq!(error_of(async { panic!("no chair") }).await, "the room panicked: no chair");
        let chairs = 0;
        let room = async move { panic!("{chairs} chairs") };
        assert_eq!(error_of(room).await, "the room panicked: 0 chairs");
        let odd = async { std::panic::panic_any(7) };
        assert_eq!(error_of(odd).await, "the room panicked: without a message");
        let later = tokio::time::sleep(Duration::from_millis(1));
        assert_eq!(error_of(later).await, "the room came to an end");
    }

    #[tokio::test]
    async fn while_all_go_on_nothing_is_told() {
        let mut essential = Essential::default();
        assert!(essential.ended().now_or_never().is_none(), "there is none to end");
        let (end, ending) = tokio::sync::oneshot::channel::<()>();
        essential.spawn("the room", async { drop(ending.await) });
        // `select!` drops and repeats the call.
        for _ in 0..3 {
            tokio::task::yield_now().await;
            assert!(essential.ended().now_or_never().is_none());
        }
        drop(end);
        assert_eq!(essential.ended().await, Ended { task: "the room", panic: None });
    }

    #[tokio::test]
    async fn at_the_end_only_panics_are_told() {
        let mut essential = Essential::default();
        essential.spawn("the listener", ready(()));
        essential.spawn("the redirecting listener", ready(()));
        essential.spawn("the room", async {
            tokio::task::yield_now().await;
            panic!("too late")
        });
        assert_eq!(essential.panicked().await.to_string(), "the room panicked: too late");
    }

    #[tokio::test]
    async fn dropped_it_takes_all_with_it() {
        let mut essential = Essential::default();
        let (held, gone) = tokio::sync::oneshot::channel::<()>();
        essential.spawn("the room", async move {
            let _held = held;
            pending().await
        });
        drop(essential);
        assert!(gone.await.is_err());
    }
}
