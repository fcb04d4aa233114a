//! The history that all nodes of a cluster have in common, if its adapter gives an order: each node writes down the
//! same entries under the same numbers, as they come; and reads what it has missed.
//!
//! ```text
//! Behind ── the adapter can be asked ──► Reading ── the end is reached ──► Live
//!    ▲                                      │                               │
//!    └──── not answered, not written ───────┴──── something was lost ───────┘
//! ```
//!
//! Only a log that is live takes what comes at once. Otherwise that is held until all before it is there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};

use super::entries::{Item, page_place};
use super::receipts::{acknowledge, not_saved};
use super::waiting::Waiting;
use super::{Input, Room, answer, history};
use crate::chat::chat_protocol::Notice;
use crate::chat::name::Name;
use crate::chat::{recent, words};
use crate::socketio::{Ack, Replay, Taken};
use crate::store::{Kind, NewEntry, Record, RoomLog, Store, StoreError};

/// A room waits so long for the history before it hears its first member.
const FIRST: Duration = Duration::from_secs(1);
/// One part of what was missed has to be there after so long; if it is not, it is asked for again after a second.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(1);
/// What came and waits for what was missed; of more, all is read again.
const MAX_HELD: usize = 4096;
/// Messages of before that pages are told of, of those that were here when it could not be known.
const MAX_RECALLED: usize = 1000;
/// How often it is noted how far the order was read, in which others may have said all.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// The record of that.
const NOTED: &str = "cluster-read";
/// The word of entries that stand for some that are missing.
pub(super) const GAP: &str = "gap";

/// How much of the common history is in the log.
#[derive(Debug)]
pub(super) struct Common {
    state: State,
    held: VecDeque<Item>,
    /// Some could not be held.
    is_short: bool,
    /// All up to this number is there, or gone for good.
    until: u64,
    retry_at: Instant,
    noted: Instant,
    /// How many messages pages may still be told of that were said before.
    recalls: usize,
    pub waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Behind,
    Reading,
    Live,
}

impl Common {
    fn new(until: u64) -> Self {
        let (held, now) = (VecDeque::new(), Instant::now());
        Common {
            state: State::Behind,
            held,
            is_short: false,
            until,
            retry_at: now,
            noted: now,
            recalls: 0,
            waiting: None,
        }
    }
}

impl Room {
    /// Opens the log, that of the cluster if it has a common one, and waits a moment for what was missed.
    pub(super) async fn open_log(&mut self) {
        let store = self.shared.settings.store.clone();
        let order = self.adapter().and_then(|adapter| adapter.common_order());
        let Some(order) = order else {
            self.log = history::open(&store, &self.namespace).await;
            return;
        };
        self.log = open_shared(&store, &self.namespace, &order).await;
        let Some(log) = &self.log else { return };
        let noted = log.record(NOTED).and_then(|noted| noted.value.parse().ok()).unwrap_or(0);
        let mut common = Common::new(log.top().max(noted));
        if self.keeps_history() {
            common.waiting = Waiting::open(&store, &self.namespace, &order).await;
        } else {
            common.state = State::Live;
        }
        self.common = Some(common);
        let _ = timeout(FIRST, self.catch_up()).await;
        self.say_what_waited().await;
        if let Some(common) = &mut self.common {
            common.recalls = MAX_RECALLED;
        }
        self.told_all();
    }

    /// What is in the log was told.
    pub(super) fn told_all(&self) {
        let Some(log) = &self.log else { return };
        log.set_behind(self.common.as_ref().is_some_and(|common| common.state != State::Live));
        log.set_told();
    }

    /// Reads what was missed, before the room hears anybody.
    async fn catch_up(&mut self) {
        while let Some(common) = self.common.as_ref().filter(|it| it.state != State::Live) {
            let (until, adapter) = (common.until, self.adapter());
            let Some(adapter) = adapter else { return };
            match adapter.replay(until).await {
                Some(replay) => self.replayed(replay),
                None => tokio::time::sleep(FIRST / 10).await,
            }
        }
    }

    /// Looks whether there is something to read, or to be noted.
    pub(super) fn tick_common(&mut self, now: Instant) {
        let Some(common) = &mut self.common else { return };
        match common.state {
            State::Behind if now >= common.retry_at => self.start_reading(),
            State::Live if now >= common.noted + NOTED_EVERY => {
                common.noted = now;
                self.note_place();
            }
            _ => {}
        }
    }

    /// Notes how far the order was read, so that nothing is missing between the last entry and there. What has come so
    /// far has to be in the log.
    pub(super) fn note_place(&mut self) {
        let place = self.adapter().and_then(|adapter| adapter.place());
        self.settle();
        let keeps_history = self.keeps_history();
        let Some((common, log)) = self.common.as_mut().zip(self.log.as_ref()) else { return };
        let Some(place) = place.filter(|place| *place > common.until) else { return };
        if common.state == State::Live && keeps_history {
            common.until = place;
            let noted = Record { key: NOTED.to_owned(), value: place.to_string(), expires: None };
            let _ = log.put(noted);
        }
    }

    /// Something is missing: it is read, and until then what comes is held.
    pub(super) fn behind(&mut self) {
        // Without a history nothing is kept that could be missing.
        if !self.keeps_history() {
            return;
        }
        let Some(common) = self.common.as_mut().filter(|it| it.state == State::Live) else {
            return;
        };
        common.state = State::Behind;
        common.retry_at = Instant::now();
    }

    fn start_reading(&mut self) {
        let (Some(adapter), Some(inbox)) = (self.adapter(), self.inbox.upgrade()) else { return };
        let Some(common) = &mut self.common else { return };
        let (until, inbox) = (common.until, inbox.downgrade());
        common.state = State::Reading;
        let asked = self.read(async move {
            let replay = timeout(PATIENCE, adapter.replay(until)).await.ok().flatten();
            drop(adapter);
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Input::Replayed(replay.map(Box::new))).await;
            }
        });
        if !asked {
            self.read_again();
        }
    }

    fn read_again(&mut self) {
        if let Some(common) = &mut self.common {
            common.state = State::Behind;
            common.retry_at = Instant::now() + AGAIN;
        }
    }

    /// A part of what was missed is there, or not.
    pub(super) fn replay_came(&mut self, replay: Option<Box<Replay>>) {
        let is_reading = self.common.as_ref().is_some_and(|it| it.state == State::Reading);
        match replay {
            _ if !is_reading => {}
            Some(replay) => {
                self.replayed(*replay);
                if self.common.as_ref().is_some_and(|it| it.state == State::Reading) {
                    self.start_reading();
                }
            }
            None => self.read_again(),
        }
    }

    /// Writes down a part of what was missed.
    fn replayed(&mut self, replay: Replay) {
        let Some(log) = self.log.clone() else { return };
        let Replay { taken, until, is_end, live_from, gap } = replay;
        let written = gap.map_or(Ok(()), |gap| self.write_gap(&log, gap));
        let mut all = taken.into_iter();
        let written = written.and_then(|()| {
            all.try_for_each(|mut taken| {
                let id = words::id_of(&mut taken);
                let Some(item) = self.item(&taken, id.as_deref()) else { return Ok(()) };
                if item.seq <= live_from {
                    self.recall(&log, &taken, &item.new);
                }
                self.write(&log, item)
            })
        });
        let Some(common) = &mut self.common else { return };
        if let Err(error) = written {
            debug!(room = %self.namespace, %error, "what was missed cannot be written yet");
            return self.read_again();
        }
        common.until = common.until.max(until);
        if !is_end {
            return;
        }
        if std::mem::take(&mut common.is_short) {
            // Some of it came meanwhile and was not held.
            common.held.clear();
            return self.read_again();
        }
        common.state = State::Live;
        while let Some(item) = self.common.as_mut().and_then(|common| common.held.pop_front()) {
            self.log_item(item);
        }
    }

    /// Of a message that nobody here was told of: it is not to be told if it is sent again; and pages that are here get
    /// it, if they came when it could not be known.
    fn recall(&mut self, log: &RoomLog, taken: &Taken, new: &NewEntry) {
        if new.kind != Kind::Message {
            return;
        }
        let name = new.name.as_deref().and_then(|name| Name::read(name).ok());
        if let Some(key) = &new.key {
            self.recent.insert(&recent::key(name.as_ref(), key));
        }
        let Some(common) = self.common.as_mut().filter(|common| common.recalls > 0) else { return };
        common.recalls -= 1;
        if let Some(place) = page_place(log, taken) {
            let (name, text, late) = (name.as_ref(), &*new.body, Some(place.at));
            let (place, mark) = (Some(&place), None);
            let (author, role) = (Some(&*new.author), None);
            let notice = Notice::Message { name, text, author, role, late, place, mark };
            self.deliver_to_pages(&notice);
        }
    }

    fn write_gap(&mut self, log: &RoomLog, seq: u64) -> Result<(), StoreError> {
        info!(room = %self.namespace, "what other nodes said meanwhile is no longer there: history has a gap");
        let new = NewEntry {
            at: history::now(),
            author: String::new(),
            name: None,
            key: None,
            kind: Kind::of(GAP),
            target: None,
            body: String::new(),
        };
        self.write(log, Item { seq, new, ack: (Ack::default(), false) })
    }

    /// Has something in the log, at once or when all before it is there.
    pub(super) fn log_item(&mut self, item: Item) {
        let (Some(common), Some(log)) = (&mut self.common, self.log.clone()) else { return };
        if common.state != State::Live {
            match common.held.len() < MAX_HELD {
                true => common.held.push_back(item),
                // Who waits for it asks again.
                false => common.is_short = true,
            }
            return;
        }
        let again = Item { new: item.new.clone(), ack: item.ack.clone(), ..item };
        if let Err(error) = self.write(&log, item) {
            warn!(room = %self.namespace, reason = error.reason(), %error, "history waits for the store");
            if let Some(common) = &mut self.common {
                common.held.push_front(again);
            }
            self.read_again();
        }
    }

    /// Appends something.
    ///
    /// # Errors
    /// If it may be possible later.
    fn write(&mut self, log: &RoomLog, item: Item) -> Result<(), StoreError> {
        let Item { seq, new, ack: (ack, is_page) } = item;
        let done = acknowledge(log, ack.clone(), new.at, is_page && self.keeps_history());
        match log.append_at(seq, new, done) {
            Ok(_) => {
                if let Some(common) = &mut self.common {
                    common.until = common.until.max(seq);
                }
                Ok(())
            }
            Err(error @ (StoreError::Invalid | StoreError::TooLarge)) => {
                answer(ack, || vec![not_saved(&error).ack_arg()]);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The log of a room in the cluster. If there is none to be had, what is said is told and not kept.
async fn open_shared(store: &Store, namespace: &str, order: &Arc<str>) -> Option<RoomLog> {
    match store.open_shared(namespace, order).await {
        Ok(log) => Some(log),
        Err(error) => {
            history::log_not_opened(namespace, &error);
            Store::none().open_shared(namespace, order).await.ok()
        }
    }
}
