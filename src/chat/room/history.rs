//! What was said before: the room's log, what is appended to it, and what pages ask of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde_json::{Map, Value, json};
use tracing::warn;

use super::common::GAP;
use super::receipts::{Both, Kept, acknowledge, failed, not_saved};
use super::speech::Pending;
use super::stock::tell_stock_page;
use super::{Input, Member, Room, answer, log_refused};
use crate::chat::chat_protocol::{ChatProtocol, Place};
use crate::chat::name::Name;
use crate::chat::roles::Rank;
use crate::chat::verified_mark;
use crate::engine::Sid;
use crate::socketio::Ack;
use crate::store::{
    Accepted, Done, Entry, Kind, NewEntry, Page, Range, RoomLog, Store, StoreError,
};

/// Letters of the epoch of a log.
const EPOCH: usize = 8;
/// Messages that a page gets when it joins.
pub(super) const AT_LOGIN: usize = 50;
/// Messages in one answer.
pub(super) const MAX_PAGE: usize = 200;
/// Questions to the store that may wait for its answers.
const MAX_READS: usize = 256;

/// Questions to the store whose answers are awaited by the room's task.
#[derive(Default)]
pub(super) struct Reads(FuturesUnordered<BoxFuture<'static, ()>>);

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reads").field(&self.0.len()).finish()
    }
}

impl Reads {
    /// Waits for the next answer; without end if none is awaited.
    pub async fn next(&mut self) {
        if self.0.next().await.is_none() {
            std::future::pending().await
        }
    }
}

/// The time, in milliseconds since 1970.
pub(in crate::chat) fn now() -> u64 {
    since_1970(SystemTime::now())
}

pub(super) fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The log of a room. If there is none to be had, what is said is told and not kept.
pub(super) async fn open(store: &Store, namespace: &str) -> Option<RoomLog> {
    match store.open(namespace).await {
        Ok(log) => Some(log),
        Err(error) => {
            log_not_opened(namespace, &error);
            Store::none().open(namespace).await.ok()
        }
    }
}

pub(super) fn log_not_opened(room: &str, error: &StoreError) {
    warn!(room, reason = error.reason(), %error, "the history of a room cannot be opened: it keeps none");
}

/// The word for who says something in the log: a person, if the client has shown that, or else a name.
pub(super) fn author(member: Option<&Member>, name: Option<&Name>) -> String {
    match member.and_then(|member| member.person.as_ref()) {
        Some(person) => person.author(),
        None => format!("n:{}", name.map_or("", |name| name.skeleton().letters())),
    }
}

/// For whom entries are, and who of the people who are there has a role.
#[derive(Debug)]
pub(super) struct Reader {
    author: String,
    roles: HashMap<String, &'static str>,
    /// The ranks of people of other nodes, by name.
    elsewhere: HashMap<String, Rank>,
}

impl Reader {
    /// The role of an entry's author. Only people with an account have roles, and their names are nobody else's: so those of
    /// other nodes are known by name.
    fn role(&self, entry: &Entry) -> Option<&'static str> {
        let by_name = || self.elsewhere.get(entry.name.as_deref()?)?.shown();
        self.roles.get(&*entry.author).copied().or_else(by_name)
    }
}

/// An entry as a page gets it.
pub(super) fn shown(log: &RoomLog, entry: &Entry, reader: &Reader) -> Option<Value> {
    let is_announcement = matches!(&entry.kind, Kind::Event(word) if **word == *"announce");
    let (seq, is_change) = match (&entry.kind, entry.target) {
        (Kind::Message, _) => (entry.seq, false),
        _ if is_announcement => (entry.seq, false),
        (Kind::Edit | Kind::Delete, Some(target)) => (target, true),
        _ => return None,
    };
    let mut said = Map::new();
    said.insert("position".to_owned(), log.position(seq).into());
    said.insert("at".to_owned(), entry.at.into());
    if is_announcement {
        said.insert("announce".to_owned(), true.into());
    } else if let Some(name) = &entry.name {
        let (name, verified) = verified_mark::split(name);
        said.insert("username".to_owned(), name.into());
        said.extend(verified.then(|| ("verified".to_owned(), true.into())));
    }
    said.insert("message".to_owned(), (&*entry.body).into());
    match entry.kind {
        Kind::Edit if entry.deleted.is_none() => {
            drop(said.insert("edited".to_owned(), entry.at.into()))
        }
        Kind::Edit | Kind::Delete => drop(said.insert("deleted".to_owned(), true.into())),
        _ => {
            said.extend(entry.edited.map(|at| ("edited".to_owned(), at.into())));
            said.extend(entry.deleted.map(|_| ("deleted".to_owned(), true.into())));
        }
    }
    if is_change {
        said.insert("change".to_owned(), true.into());
    }
    if let Some(role) = reader.role(entry).filter(|_| !is_announcement) {
        said.insert("role".to_owned(), role.into());
    }
    let reader = &*reader.author;
    if is_person(reader) && *entry.author == *reader {
        said.insert("own".to_owned(), true.into());
    }
    Some(said.into())
}

/// Whether an author is a person who has shown that, and not only a name.
pub(super) fn is_person(author: &str) -> bool {
    author.starts_with("g:") || author.starts_with("a:")
}

/// Entries as a page gets them. The first one after some that are missing says so.
pub(super) fn messages(log: &RoomLog, page: &Page, reader: &Reader) -> Vec<Value> {
    let (mut all, mut is_after_gap) = (Vec::new(), false);
    for entry in &page.entries {
        if is_gap(entry) {
            is_after_gap = true;
        } else if let Some(mut said) = shown(log, entry, reader) {
            if is_after_gap && entry.kind == Kind::Message {
                said["gap"] = true.into();
                is_after_gap = false;
            }
            all.push(said);
        }
    }
    all
}

/// Whether a position is the beginning of any log: whoever has it has seen nothing.
fn is_beginning(position: &str) -> bool {
    position.split_once('.').is_some_and(|(epoch, number)| epoch.len() == EPOCH && number == "0")
}

/// Whether an entry stands for some that are missing.
pub(in crate::chat) fn is_gap(entry: &Entry) -> bool {
    matches!(&entry.kind, Kind::Event(word) if **word == *GAP)
}

/// Takes what comes before the last gap out of entries that follow others, which they no longer do.
pub(super) fn after_gap(page: &mut Page) {
    if let Some(last) = page.entries.iter().rposition(|entry| is_gap(entry)) {
        page.entries.drain(..last);
        page.gap = true;
    }
}

impl Room {
    pub(super) fn reader(&self, member: &Member) -> Reader {
        let with_role = self.members.values().filter_map(|it| Some((it, it.roles.shown()?)));
        let roles = with_role.map(|(it, role)| (author(Some(it), it.name.as_ref()), role));
        let elsewhere = match self.shared.settings.duplicate_names {
            // Then a name does not say who it is.
            true => HashMap::new(),
            false => self.ranked.by_name(),
        };
        let author = author(Some(member), member.name.as_ref());
        Reader { author, roles: roles.collect(), elsewhere }
    }

    /// The log, if pages may know its positions: in a cluster without a common order, each node has others.
    pub(super) fn shared_log(&self) -> Option<&RoomLog> {
        let is_alone = self.roster.is_none() && self.parted.is_none();
        let is_shared = is_alone || self.common.is_some();
        self.log.as_ref().filter(|_| is_shared && self.keeps_history())
    }

    /// Whether messages are kept for those who come later.
    pub(super) fn keeps_history(&self) -> bool {
        self.rules.history != Some(0) && self.log.as_ref().is_some_and(RoomLog::keeps)
    }

    /// The place of a message in the log, for pages.
    fn place(&self, seq: u64, at: u64) -> Option<Place> {
        self.shared_log().map(|log| Place { position: log.position(seq), at })
    }

    /// The number up to which a page has seen all; `None` if it was another log's. In a cluster, another node may have
    /// told it what this one does not know yet.
    pub(super) fn seen_to(&self, log: &RoomLog, position: &str) -> Option<u64> {
        let seen = match self.common {
            Some(_) => log.number(position),
            None => log.seq(position),
        };
        // A log is kept from its first entry on: with none, it has another epoch after a restart.
        seen.or_else(|| is_beginning(position).then_some(0))
    }

    /// Has the room's task wait for an answer of the store. False if too many are awaited.
    pub(super) fn read(&self, read: impl Future<Output = ()> + Send + 'static) -> bool {
        let fits = self.reads.0.len() < MAX_READS;
        if fits {
            self.reads.0.push(Box::pin(read));
        }
        fits
    }

    /// Keeps a message: its place. `None` if nobody is to be told: it is not new, or cannot be kept. The
    /// acknowledgement waits until it is durable.
    pub(super) fn keep(&self, pending: &Pending, at: u64) -> Option<Kept> {
        let log = self.log.as_ref()?;
        let member = self.members.get(&pending.sid);
        let ack = pending.ack.clone();
        let new = NewEntry {
            at,
            author: pending.author.clone(),
            name: pending.name.as_ref().map(|name| name.written().to_owned()),
            key: pending.id().map(str::to_owned),
            kind: Kind::Message,
            target: None,
            body: pending.text.clone(),
        };
        let tells_place = self.shared_log().is_some() && member.is_some_and(Member::is_page);
        let done = acknowledge(log, ack.clone(), at, tells_place);
        let both = ack.is_wanted().then(|| Both::new(done));
        let done: Done = match both.clone() {
            Some(both) => Box::new(move |durable| both.durable(durable)),
            None => Box::new(|_| {}),
        };
        match log.append(new, done) {
            Ok(Accepted::New(seq)) => Some(Kept { place: self.place(seq, at), mark: None, both }),
            Ok(Accepted::Known(_)) => {
                both.into_iter().for_each(|both| both.told());
                None
            }
            Err(error) => {
                let error = not_saved(&error);
                if let Some(member) = member {
                    log_refused(&member.socket, "message", &error);
                    if pending.chat_protocol == ChatProtocol::Users {
                        member.socket.emit("message error", error.event_arg());
                    }
                    tell_stock_page(&member.socket, Some(pending.chat_protocol), &error, &ack);
                }
                answer(ack, || vec![error.ack_arg()]);
                None
            }
        }
    }

    /// Keeps a message of another node: its place.
    pub(super) fn keep_foreign(
        &self,
        by: Option<&str>,
        name: Option<&Name>,
        text: &str,
        id: Option<&str>,
        at: u64,
    ) -> Option<Place> {
        let log = self.log.as_ref()?;
        let new = NewEntry {
            at,
            author: by.map_or_else(|| author(None, name), str::to_owned),
            name: name.map(|name| name.written().to_owned()),
            key: id.map(str::to_owned),
            kind: Kind::Message,
            target: None,
            body: text.to_owned(),
        };
        match log.append(new, Box::new(|_| {})) {
            Ok(Accepted::New(seq)) => self.place(seq, at),
            // It is told, even if it is not kept.
            Ok(Accepted::Known(_)) | Err(_) => None,
        }
    }

    /// Whether a message may be one that was said before, which the store has to be asked about.
    pub(super) fn may_be_known(&self, pending: &Pending) -> bool {
        let Some((log, id)) = self.log.as_ref().zip(pending.id()) else { return false };
        log.may_have(&pending.author, id)
    }

    /// Asks the store whether a message was said before: if so, it is acknowledged as it was then.
    pub(super) fn seek(&self, pending: Pending, again: bool) {
        let (Some(log), Some(inbox)) = (self.log.clone(), self.inbox.upgrade()) else { return };
        let Some(id) = pending.id().map(str::to_owned) else { return };
        let member = self.members.get(&pending.sid);
        let tells_place = self.shared_log().is_some() && member.is_some_and(Member::is_page);
        let inbox = inbox.downgrade();
        let stats = Arc::clone(&self.shared.stats);
        let asked = self.read(async move {
            match log.find(&pending.author, &id).await {
                Ok(Some(seq)) => {
                    stats.message(false);
                    let at = log.get(seq).await.ok().flatten().map_or(0, |entry| entry.at);
                    acknowledge(&log, pending.ack, at, tells_place)(Ok(seq));
                }
                Ok(None) if !again => {
                    // Waits for a place in the inbox as clients do.
                    if let Some(inbox) = inbox.upgrade() {
                        let _ = inbox.send(Input::New(pending)).await;
                    }
                }
                // It was told before, and its entry is no longer kept.
                Ok(None) => {
                    stats.message(false);
                    answer(pending.ack, || vec![json!({ "ok": true })]);
                }
                Err(error) => {
                    let error = not_saved(&error);
                    answer(pending.ack, || vec![error.ack_arg()]);
                }
            }
        });
        // If not, it is not acknowledged, and the page asks again.
        if !asked {
            self.shared.stats.missed();
        }
    }

    /// Answers the login of a page with what was said before.
    pub(super) fn answer_with_history(
        &self,
        sid: &Sid,
        mut said: Value,
        after: Option<String>,
        ack: Ack,
    ) {
        let (Some(log), Some(member)) = (self.shared_log().cloned(), self.members.get(sid)) else {
            return answer(ack, || vec![said]);
        };
        let reader = self.reader(member);
        let name = self.namespace.trim_start_matches('/').to_owned();
        let after = after.map(|position| self.seen_to(&log, &position));
        said["position"] = log.position(log.top()).into();
        said["room"] = json!({ "name": name });
        if let Some(title) = &self.rules.title {
            said["room"]["title"] = title.as_str().into();
        }
        if !self.may_write(member) {
            said["room"]["readOnly"] = true.into();
        }
        let slow = self.slow_mode().as_secs_f64();
        if slow > 0.0 {
            said["room"]["slow"] = slow.into();
        }
        let plain = (ack.clone(), said.clone());
        let asked = self.read(async move {
            let (range, limit) = match after {
                Some(Some(seq)) => (Range::After(seq), MAX_PAGE),
                _ => (Range::Before(u64::MAX), AT_LOGIN),
            };
            match log.read(range, limit).await {
                Ok(mut page) => {
                    if matches!(range, Range::After(_)) {
                        after_gap(&mut page);
                    }
                    said["messages"] = messages(&log, &page, &reader).into();
                    said["more"] = page.more.into();
                    // Where the page goes on, which may be after a change of an older message.
                    let last = page.entries.last().map(|entry| log.position(entry.seq));
                    said["last"] = last.into();
                    if page.gap || after == Some(None) {
                        said["gap"] = true.into();
                    }
                }
                Err(error) => said["historyError"] = failed(&error).message.into(),
            }
            answer(ack, || vec![said]);
        });
        if !asked {
            let (ack, said) = plain;
            answer(ack, || vec![said]);
        }
    }
}
