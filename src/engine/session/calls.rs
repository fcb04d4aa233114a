//! Calls of a session's receiver: one after the other, each to its end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::super::inbox::{Input, Work};
use super::super::{CloseReason, Receiver};
use super::Session;

impl Session {
    /// Starts the session, unless it is over: then the receiver never hears of it.
    pub(in crate::engine) fn start(self: &Arc<Self>, receiver: Box<dyn Receiver>) {
        let work = self.state().inbox.install(receiver);
        if let Some(work) = work {
            self.work(work);
        }
    }

    /// Calls the receiver. Most calls end at once: that is tried here. What does not goes on in a task of
    /// its own, which nobody waits for and nothing cuts short. For the runtime's own threads.
    pub(super) fn work(self: &Arc<Self>, work: Work) {
        let mut calls = Box::pin(Arc::clone(self).call(work));
        let mut cx = Context::from_waker(Waker::noop());
        if calls.as_mut().poll(&mut cx).is_pending() {
            self.core.spawn(calls.instrument(self.span.clone()));
        }
    }

    /// [`Session::work`] for any thread, and for where a call may be under way already.
    pub(super) fn hand_over(self: &Arc<Self>, work: Option<Work>) {
        if let Some(work) = work {
            self.core.spawn(Arc::clone(self).call(work).instrument(self.span.clone()));
        }
    }

    /// Calls the receiver for all that there is, one after the other.
    async fn call(self: Arc<Self>, work: Work) {
        let mut next = Some(work);
        while let Some(Work { mut receiver, input }) = next {
            let last = matches!(input, Input::Closed(_));
            let call = async {
                match input {
                    Input::Opened => receiver.opened().await,
                    Input::Message(message) => receiver.message(message).await,
                    Input::Nudged => receiver.nudged().await,
                    Input::Closed(reason) => receiver.closed(reason).await,
                }
            };
            if let Err(panic) = AssertUnwindSafe(call).catch_unwind().await {
                self.failed(&*panic);
            }
            if last {
                // The receiver holds the session: parting here frees both.
                drop(receiver);
                let mut state = self.state();
                state.inbox.end();
                let presence = state.presence.take();
                drop(state);
                drop(presence);
                return;
            }
            let mut state = self.state();
            next = state.inbox.next(receiver);
            let unblocked = state.unblock(Instant::now);
            drop(state);
            unblocked.into_iter().for_each(Waker::wake);
        }
    }

    /// A call of the receiver panicked. It costs this session, and no other.
    fn failed(self: &Arc<Self>, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("no text");
        tracing::error!(sid = %self.sid, panic = text, "the application failed: its client is let go");
        self.close(CloseReason::AppFailed);
    }
}
