//! Writes held back for a while: packets queued for one session meanwhile go out in one write.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::sync::thread_local;

/// Something whose packets can be held back: a session, which this module need not know.
pub(super) trait Corked: std::fmt::Debug + Send + Sync {
    /// Sends what was held back. If a poll was answered since `then`, does nothing and returns
    /// false.
    fn uncork(&self, then: Option<Instant>) -> bool;
}

thread_local! {
    /// The sessions whose packets this thread holds back; `None` while it holds nothing back.
    static HELD: RefCell<Option<VecDeque<Arc<dyn Corked>>>> = const { RefCell::new(None) };
}

/// Sessions written to before other tasks of the runtime get a turn: a write is a system call.
const BATCH: usize = 64;
/// So many sessions are worth a task of their own, where there is more than one core.
const SHARE: usize = 512;

/// A poll whose predecessor was answered less than this ago waits for as long again, and at most
/// twice that and two ticks of the clock: packets in quick succession share an answer, which spares
/// a request.
const GATHER: Duration = Duration::from_millis(1);

/// Holds packets back and lets them go session by session. Coalesces the packets queued for one
/// session between two releases into one write. What is left goes out when this is dropped.
#[derive(Debug, Default)]
pub struct Cork {
    held: VecDeque<Arc<dyn Corked>>,
    /// Sessions whose turn has come, but whose last poll was answered just now.
    gathering: Vec<Arc<dyn Corked>>,
    /// When these are released.
    until: Option<Instant>,
}

impl Cork {
    /// Does `work`. Packets that it queues stay in their sessions' queues.
    pub fn hold(&mut self, work: impl FnOnce()) {
        let outer = HELD.with(|held| held.replace(Some(std::mem::take(&mut self.held))));
        let restore = Restore { cork: self, outer };
        work();
        drop(restore);
    }

    /// Whether nothing is to be released now.
    pub fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Waits until a session that gathers packets is due; for ever, if there is none.
    pub async fn due(&self) {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// Releases some sessions, those first that have waited longest. If there are many, several
    /// tasks write to them, so that all cores do.
    pub async fn release(&mut self) {
        if self.held.len() > SHARE && Handle::current().metrics().num_workers() > 1 {
            while self.held.len() > SHARE {
                let mut share = Cork::default();
                share.held.extend(self.held.drain(..SHARE));
                tokio::spawn(async move {
                    while !share.is_idle() || share.until.is_some() {
                        if share.is_idle() {
                            share.due().await;
                        }
                        share.release_batch().await;
                    }
                });
            }
        }
        self.release_batch().await;
    }

    async fn release_batch(&mut self) {
        let now = Instant::now();
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.held.extend(self.gathering.drain(..));
        }
        for session in self.held.drain(..self.held.len().min(BATCH)) {
            if !session.uncork(now.checked_sub(GATHER)) {
                self.until.get_or_insert(now + GATHER);
                self.gathering.push(session);
            }
        }
        tokio::task::yield_now().await;
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        for session in self.held.drain(..).chain(self.gathering.drain(..)) {
            session.uncork(None);
        }
    }
}

/// Restores what was held before, even if the work panics.
struct Restore<'a> {
    cork: &'a mut Cork,
    outer: Option<VecDeque<Arc<dyn Corked>>>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.cork.held = HELD.with(|held| held.replace(self.outer.take())).unwrap_or_default();
    }
}

/// Whether this thread holds packets back at the moment. If so, notes the session if it is `new`.
/// Called under the session's lock; takes none itself.
pub(super) fn hold<T: Corked + 'static>(session: &Arc<T>, new: bool) -> bool {
    HELD.with(|held| match &mut *held.borrow_mut() {
        Some(held) => {
            if new {
                held.push_back(Arc::clone(session) as Arc<dyn Corked>);
            }
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use futures::FutureExt as _;
    use tokio::sync::Semaphore;
    use tokio::time::advance;

    use super::super::testing::{Deaf, POLLING, SOCKET, new_session};
    use super::super::{
        CloseReason, Delivery, DirectWriter, Drain, Engine, Limits, QueueLimits, SendOutcome,
        Session, TransportInfo,
    };
    use super::*;
    use crate::dialect::{Dialect, Frame, Wire};

    /// A connection that notes what it takes, one line for each take.
    #[derive(Debug)]
    struct Pen {
        takes: Mutex<Vec<String>>,
        count: Semaphore,
        taken: SendOutcome,
    }

    impl Pen {
        fn new(taken: SendOutcome) -> Arc<Self> {
            Arc::new(Pen { takes: Mutex::default(), count: Semaphore::new(0), taken })
        }

        fn takes(&self) -> Vec<String> {
            self.takes.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }
    }

    impl DirectWriter for Pen {
        fn try_send(&self, frames: &[Frame], _dialect: &dyn Dialect, _wire: &Wire) -> SendOutcome {
            let line: Vec<&str> = frames
                .iter()
                .map(|frame| match frame {
                    Frame::Text(text) | Frame::Binary(text) => str::from_utf8(text).unwrap(),
                })
                .collect();
            self.takes.lock().unwrap_or_else(PoisonError::into_inner).push(line.join(" "));
            self.count.add_permits(1);
            self.taken
        }
    }

    fn engine(messages: usize) -> Engine {
        let queue = QueueLimits { bytes: 1 << 20, messages };
        Engine::new(Limits { queue, ..Limits::default() }, Deaf)
    }

    async fn open(engine: &Engine, transport: &'static TransportInfo) -> Arc<Session> {
        engine.open(new_session(transport)).unwrap()
    }

    /// Attaches a request that waits, with a direct writer for what comes.
    fn wait(session: &Arc<Session>, info: &'static TransportInfo, pen: &Arc<Pen>) -> Drain {
        let mut drain = session.attach(info).unwrap();
        drain.set_direct_writer(Arc::clone(pen) as Arc<dyn DirectWriter>);
        let mut batch = Vec::new();
        while drain.next(&mut batch).now_or_never().is_some() {}
        drain
    }

    /// A socket that waits, and what it is sent.
    async fn socket(engine: &Engine) -> (Arc<Session>, Drain, Arc<Pen>) {
        let session = open(engine, &SOCKET).await;
        let pen = Pen::new(SendOutcome::Sent);
        let drain = wait(&session, &SOCKET, &pen);
        (session, drain, pen)
    }

    fn push(session: &Arc<Session>, text: &'static str) {
        session.push(&[Frame::fixed(text)], Delivery::Reliable);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_pushed_under_one_cork_is_taken_at_once() {
        let engine = engine(100);
        let crowd = [socket(&engine).await, socket(&engine).await, socket(&engine).await];
        let mut cork = Cork::default();
        for text in ["a", "b", "c"] {
            cork.hold(|| crowd.iter().for_each(|(session, ..)| push(session, text)));
            assert!(crowd.iter().all(|(.., pen)| pen.takes().is_empty()));
        }
        cork.hold(|| push(&crowd[1].0, "d"));
        cork.release().await;
        assert!(cork.is_idle());
        assert!(cork.due().now_or_never().is_none(), "nobody is left");
        assert_eq!(
            crowd.each_ref().map(|(.., pen)| pen.takes()),
            [["a b c"], ["a b c d"], ["a b c"]]
        );
        push(&crowd[0].0, "e");
        assert_eq!(crowd[0].2.takes(), ["a b c", "e"], "the cork is off");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cork_that_is_dropped_loses_nothing() {
        let engine = engine(100);
        let (session, _drain, pen) = socket(&engine).await;
        let (polling, poll) =
            (open(&engine, &POLLING).await, Pen::new(SendOutcome::Answered { done: true }));
        let _first = wait(&polling, &POLLING, &poll);
        push(&polling, "x");
        let _second = wait(&polling, &POLLING, &poll);
        let mut cork = Cork::default();
        cork.hold(|| push(&polling, "a"));
        cork.release().await;
        assert_eq!(poll.takes(), ["x"], "it gathers");
        cork.hold(|| ["a", "b"].iter().for_each(|text| push(&session, text)));
        cork.hold(|| push(&polling, "b"));
        drop(cork);
        assert_eq!(pen.takes(), ["a b"]);
        assert_eq!(poll.takes(), ["x", "a b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_leaves_no_cork_behind() {
        let engine = engine(100);
        let (session, _drain, pen) = socket(&engine).await;
        let mut cork = Cork::default();
        let work = std::panic::AssertUnwindSafe(|| {
            cork.hold(|| {
                push(&session, "a");
                panic!("on purpose");
            });
        });
        assert!(std::panic::catch_unwind(work).is_err());
        drop(cork);
        push(&session, "b");
        assert_eq!(pen.takes(), ["a", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_after_an_answer_waits_a_little_and_gets_all() {
        let engine = engine(100);
        let session = open(&engine, &POLLING).await;
        let pen = Pen::new(SendOutcome::Answered { done: true });
        let mut cork = Cork::default();

        let _first = wait(&session, &POLLING, &pen);
        cork.hold(|| push(&session, "a"));
        cork.release().await;
        assert_eq!(pen.takes(), ["a"], "nothing was answered before");

        advance(GATHER / 2).await;
        let _second = wait(&session, &POLLING, &pen);
        cork.hold(|| push(&session, "b"));
        cork.release().await;
        assert!(cork.is_idle(), "but for who gathers");
        let since = Instant::now();
        cork.hold(|| push(&session, "c"));
        assert!(cork.due().now_or_never().is_none());
        assert_eq!(pen.takes(), ["a"]);

        cork.due().await;
        let tick = Duration::from_millis(1);
        assert!((GATHER..=GATHER + tick).contains(&since.elapsed()), "{:?}", since.elapsed());
        cork.hold(|| push(&session, "d"));
        cork.release().await;
        assert_eq!(pen.takes(), ["a", "b c d"]);
        assert!(cork.due().now_or_never().is_none(), "nobody is left");

        advance(GATHER).await;
        let _third = wait(&session, &POLLING, &pen);
        cork.hold(|| push(&session, "e"));
        cork.release().await;
        assert_eq!(pen.takes(), ["a", "b c d", "e"], "that answer was long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_makes_no_slow_reader() {
        // And half as much again, as long as nobody is behind for long.
        const BOUND: usize = 3;
        let engine = engine(BOUND);
        let (session, _drain, pen) = socket(&engine).await;
        let stalled = open(&engine, &POLLING).await;
        let texts = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let mut cork = Cork::default();
        cork.hold(|| {
            for text in texts {
                push(&session, text);
                push(&stalled, text);
            }
        });
        assert!(session.is_open());
        assert_eq!(pen.takes(), ["0 1 2 3", "4 5 6 7"], "what did not fit any more went out");
        cork.release().await;
        assert_eq!(pen.takes(), ["0 1 2 3", "4 5 6 7", "8 9"]);
        assert_eq!(stalled.close_reason(), Some(CloseReason::SlowReader), "nobody takes these");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_crowd_is_shared_out_and_all_of_it_is_served() {
        let engine = engine(100);
        let mut crowd = Vec::new();
        for _ in 0..2 * SHARE + BATCH {
            crowd.push(socket(&engine).await);
        }
        let mut cork = Cork::default();
        for text in ["a", "b"] {
            cork.hold(|| crowd.iter().for_each(|(session, ..)| push(session, text)));
        }
        while !cork.is_idle() {
            cork.release().await;
        }
        for (.., pen) in &crowd {
            drop(pen.count.acquire().await);
            assert_eq!(pen.takes(), ["a b"]);
        }
    }
}
