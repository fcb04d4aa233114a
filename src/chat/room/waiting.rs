//! What was said while other nodes could not be reached, and has no place in the common history yet. If the store outlives the
//! process, it is written down before it is acknowledged, so that a node that ends meanwhile says it to the others when it
//! is there again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::info;

use super::receipts::not_saved;
use super::speech::Pending;
use super::{Member, Room, answer, history};
use crate::chat::name::Name;
use crate::chat::words;
use crate::socketio::{Args, Flags, Taken};
use crate::store::{Accepted, Entry, Kind, NewEntry, Range, RoomLog, Store};

/// Ends the name of the log of what waits.
const WAITING: &str = "waiting";
/// Messages whose entries are known. Others are said again after a restart, and known by their keys.
const MAX_WAITING: usize = 10_000;
/// Entries in one read when a room opens, and reads.
const PAGE: usize = 1000;
const MAX_PAGES: usize = 4;

/// The log of what waits.
#[derive(Debug)]
pub(super) struct Waiting {
    log: RoomLog,
    /// The entries of messages of this node, by their numbers.
    seqs: HashMap<u64, u64>,
}

impl Waiting {
    /// `None` if it would not outlive the process.
    pub async fn open(store: &Store, namespace: &str, order: &str) -> Option<Self> {
        if !store.is_durable() {
            return None;
        }
        let log = store.open_shared(namespace, &format!("{order} {WAITING}")).await;
        Some(Waiting { log: log.ok()?, seqs: HashMap::new() })
    }

    /// What has no place yet as far as is known, in order.
    async fn read(&self) -> Vec<Arc<Entry>> {
        let (mut all, mut before) = (Vec::new(), u64::MAX);
        for _ in 0..MAX_PAGES {
            let Ok(page) = self.log.read(Range::Before(before), PAGE).await else { break };
            before = page.entries.first().map_or(0, |first| first.seq);
            all.extend(page.entries.into_iter().rev().filter(|entry| entry.deleted.is_none()));
            if !page.more {
                break;
            }
        }
        all.reverse();
        all
    }

    fn has(&mut self, number: u64, seq: u64) {
        if self.seqs.len() < MAX_WAITING {
            self.seqs.insert(number, seq);
        }
    }
}

impl Room {
    fn waiting(&mut self) -> Option<&mut Waiting> {
        self.common.as_mut()?.waiting.as_mut()
    }

    /// Says what waited when the process ended. Who knows it already knows it by its key.
    pub(super) async fn say_what_waited(&mut self) {
        let Some(waiting) = self.waiting() else { return };
        let entries = waiting.read().await;
        let (Some(me), Some(adapter)) = (self.node_name(), self.adapter()) else { return };
        if !entries.is_empty() {
            let (room, messages) = (&*self.namespace, entries.len());
            info!(room, messages, "what was said before the restart is said to other nodes again");
        }
        for entry in entries {
            let name = entry.name.as_deref().and_then(|name| Name::new(name).ok());
            self.said += 1;
            let (number, id) = (self.said, entry.key.as_deref());
            let packet = words::message(name.as_ref(), &entry.body, id, None, &me, number);
            let late = Some(UNIX_EPOCH + Duration::from_millis(entry.at));
            let flags = Flags { late, ..Flags::default() };
            adapter.broadcast(packet, words::to_others_by(&me, &entry.author), flags);
            if let Some(waiting) = self.waiting() {
                waiting.has(number, entry.seq);
            }
        }
    }

    /// Acknowledges a message that has no place yet, once it is written down. `mark` is what a page knows it by.
    pub(super) fn wait_for_place(&mut self, pending: &Pending, taken: &Taken, mark: Option<&str>) {
        let is_page = self.members.get(&pending.sid).is_some_and(Member::is_page);
        let said = early(mark.filter(|_| is_page));
        let number = words::number_of(taken);
        let Some((waiting, (node, number))) = self.waiting().zip(number) else {
            return answer(pending.ack.clone(), || vec![said]);
        };
        let key = pending.id().map_or_else(|| format!("{node}.{number}"), str::to_owned);
        let new = NewEntry {
            at: history::now(),
            author: pending.author.clone(),
            name: pending.name.as_ref().map(|name| name.as_str().to_owned()),
            key: Some(key),
            kind: Kind::Message,
            target: None,
            body: pending.text.clone(),
        };
        let (ack, acknowledged) = (pending.ack.clone(), said.clone());
        let done = move |durable: Result<u64, _>| {
            if ack.is_wanted() {
                let failed = |error| not_saved(&error).ack_arg();
                ack.send(Args::from(vec![durable.map_or_else(failed, |_| acknowledged)]));
            }
        };
        match waiting.log.append(new, Box::new(done)) {
            Ok(Accepted::New(seq) | Accepted::Known(seq)) => waiting.has(number, seq),
            // It was told, and waits in memory alone.
            Err(_) => answer(pending.ack.clone(), || vec![said]),
        }
    }

    /// Something of this node has its place: it waits no longer.
    pub(super) fn has_place(&mut self, taken: &Taken) {
        let is_own = taken.origin.is_none() && taken.place.is_some();
        let Some(waiting) = self.waiting().filter(|it| is_own && !it.seqs.is_empty()) else {
            return;
        };
        let Some((_, number)) = words::number_of(taken) else { return };
        let Some(target) = waiting.seqs.remove(&number) else { return };
        let removal = NewEntry {
            at: history::now(),
            author: String::new(),
            name: None,
            key: None,
            kind: Kind::Delete,
            target: Some(target),
            body: String::new(),
        };
        let _ = waiting.log.append(removal, Box::new(|_| {}));
    }
}

/// What a message is acknowledged with that has no place yet.
fn early(mark: Option<&str>) -> Value {
    let mut said = json!({ "ok": true });
    if let Some(mark) = mark {
        said["mark"] = mark.into();
    }
    said
}
