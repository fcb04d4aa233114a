//! Calls of a session's receiver: one after the other, each to its end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::super::inbox::{Call, Input};
use super::super::reason::CloseReason;
use super::super::receiver::Receiver;
use super::Session;

impl Session {
    /// Starts the session, unless it is over: then the receiver never hears of it.
    pub(in crate::engine) fn start(self: &Arc<Self>, receiver: Box<dyn Receiver>) {
        let call = self.state().inbox.install(receiver);
        if let Some(call) = call {
            self.start_calls(call);
        }
    }

    /// Makes that call, and those that come up meanwhile. Most end at once: so they are polled
    /// here, once. A call that does not end goes on in a task of its own: nothing waits for that
    /// task, and nothing cuts it short. For threads of the runtime only, and not within a call.
    pub(super) fn start_calls(self: &Arc<Self>, call: Call) {
        let mut calls = Box::pin(Arc::clone(self).run_calls(call));
        let mut cx = Context::from_waker(Waker::noop());
        if calls.as_mut().poll(&mut cx).is_pending() {
            self.shared.spawn(calls.instrument(self.span.clone()));
        }
    }

    /// [`Session::start_calls`] for any thread, and for where a call may be under way already: in a
    /// task from the start.
    pub(super) fn spawn_calls(self: &Arc<Self>, call: Option<Call>) {
        if let Some(call) = call {
            let calls = Arc::clone(self).run_calls(call);
            self.shared.spawn(calls.instrument(self.span.clone()));
        }
    }

    /// Makes calls one after the other, until nothing waits for the receiver.
    async fn run_calls(self: Arc<Self>, call: Call) {
        let mut next = Some(call);
        while let Some(Call { mut receiver, input }) = next {
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
                // The receiver holds the session: dropping it here frees both.
                drop(receiver);
                let mut state = self.state();
                state.inbox.end();
                let tracker_token = state.tracker_token.take();
                drop(state);
                // The last token wakes `Engine::shutdown`.
                drop(tracker_token);
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
