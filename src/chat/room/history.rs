//! What was said before: the room's log, what is appended to it, and what pages ask of it.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde_json::{Map, Value, json};
use tracing::warn;

use super::speech::Pending;
use super::{Input, Member, Room, answer, log_refused};
use crate::chat::chat_protocol::{Asked, ChatProtocol, Notice, Place};
use crate::chat::error::ChatError;
use crate::chat::name::Name;
use crate::engine::Sid;
use crate::socketio::{Ack, Args};
use crate::store::{
    Accepted, Done, Entry, Kind, NewEntry, Page, Range, RoomLog, Store, StoreError,
};

/// Messages that a page gets when it joins.
const AT_LOGIN: usize = 50;
/// Messages in one answer.
const MAX_PAGE: usize = 200;
/// Found messages in one answer.
const MAX_FOUND: usize = 50;
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

/// A message that a member wants to change, as it stands.
#[derive(Debug)]
pub(in crate::chat) struct Change {
    pub sid: Sid,
    pub entry: Result<Option<Arc<Entry>>, StoreError>,
    /// The new text; `None` to delete it.
    pub text: Option<String>,
    pub ack: Ack,
}

/// The time, in milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The log of a room. If there is none to be had, what is said is told and not kept.
pub(super) async fn open(store: &Store, namespace: &str) -> Option<RoomLog> {
    match store.open(namespace).await {
        Ok(log) => Some(log),
        Err(error) => {
            warn!(room = namespace, reason = error.reason(), %error, "the history of a room cannot be opened: it keeps none");
            Store::none().open(namespace).await.ok()
        }
    }
}

/// The word for who says something in the log: a person, if the client has shown that, or else a name.
pub(super) fn author(member: Option<&Member>, name: Option<&Name>) -> String {
    match member.and_then(|member| member.person.as_ref()) {
        Some(person) => format!("g:{}", person.as_str()),
        None => format!("n:{}", name.map_or("", |name| name.skeleton().letters())),
    }
}

/// An entry as a page gets it.
fn shown(log: &RoomLog, entry: &Entry, reader: &str) -> Option<Value> {
    let (seq, is_change) = match (&entry.kind, entry.target) {
        (Kind::Message, _) => (entry.seq, false),
        (Kind::Edit | Kind::Delete, Some(target)) => (target, true),
        _ => return None,
    };
    let mut said = Map::new();
    said.insert("position".to_owned(), log.position(seq).into());
    said.insert("at".to_owned(), entry.at.into());
    said.extend(entry.name.as_ref().map(|name| ("username".to_owned(), (&**name).into())));
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
    if is_person(reader) && *entry.author == *reader {
        said.insert("own".to_owned(), true.into());
    }
    Some(said.into())
}

/// Whether an author is a person who has shown that, and not only a name.
fn is_person(author: &str) -> bool {
    author.starts_with("g:")
}

/// Entries as a page gets them.
fn messages(log: &RoomLog, page: &Page, reader: &str) -> Vec<Value> {
    page.entries.iter().filter_map(|entry| shown(log, entry, reader)).collect()
}

fn not_saved(error: &StoreError) -> ChatError {
    let message = format!("it could not be saved: {error}");
    ChatError { label: error.reason(), ..ChatError::new("not saved", message) }
}

fn failed(error: &StoreError) -> ChatError {
    ChatError { label: error.reason(), ..ChatError::new("history", error.to_string()) }
}

/// Acknowledges a message once it is durable.
fn acknowledge(log: &RoomLog, ack: Ack, at: u64, is_page: bool) -> Done {
    if !ack.is_wanted() {
        return Box::new(|_| {});
    }
    let log = log.clone();
    Box::new(move |durable| {
        ack.send(Args::from(vec![match durable {
            Ok(seq) if is_page => json!({ "ok": true, "position": log.position(seq), "at": at }),
            Ok(_) => json!({ "ok": true }),
            Err(error) => not_saved(&error).ack_arg(),
        }]));
    })
}

impl Room {
    /// Has the room's task wait for an answer of the store. False if too many are awaited.
    fn read(&self, read: impl Future<Output = ()> + Send + 'static) -> bool {
        let fits = self.reads.0.len() < MAX_READS;
        if fits {
            self.reads.0.push(Box::pin(read));
        }
        fits
    }

    /// Keeps a message: its place. `None` if nobody is to be told: it is not new, or cannot be kept. The
    /// acknowledgement waits until it is durable.
    pub(super) fn keep(&self, pending: &Pending, at: u64) -> Option<Place> {
        let log = self.log.as_ref()?;
        let member = self.members.get(&pending.sid);
        let ack = pending.ack.clone();
        let new = NewEntry {
            at,
            author: pending.author.clone(),
            name: pending.name.as_ref().map(|name| name.as_str().to_owned()),
            key: pending.id().map(str::to_owned),
            kind: Kind::Message,
            target: None,
            body: pending.text.clone(),
        };
        let done = acknowledge(log, ack.clone(), at, member.is_some_and(Member::is_page));
        match log.append(new, done) {
            Ok(Accepted::New(seq)) => Some(Place { position: log.position(seq), at }),
            Ok(Accepted::Known(_)) => None,
            Err(error) => {
                let error = not_saved(&error);
                if let Some(member) = member {
                    log_refused(&member.socket, "message", &error);
                    if pending.chat_protocol == ChatProtocol::Users {
                        member.socket.emit("message error", error.event_arg());
                    }
                }
                answer(ack, || vec![error.ack_arg()]);
                None
            }
        }
    }

    /// Keeps a message of another node: its place.
    pub(super) fn keep_foreign(
        &self,
        name: Option<&Name>,
        text: &str,
        id: Option<&str>,
        at: u64,
    ) -> Option<Place> {
        let log = self.log.as_ref()?;
        let new = NewEntry {
            at,
            author: author(None, name),
            name: name.map(|name| name.as_str().to_owned()),
            key: id.map(str::to_owned),
            kind: Kind::Message,
            target: None,
            body: text.to_owned(),
        };
        match log.append(new, Box::new(|_| {})) {
            Ok(Accepted::New(seq)) => Some(Place { position: log.position(seq), at }),
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
        let is_page = self.members.get(&pending.sid).is_some_and(Member::is_page);
        let inbox = inbox.downgrade();
        let asked = self.read(async move {
            match log.find(&pending.author, &id).await {
                Ok(Some(seq)) => {
                    let at = log.get(seq).await.ok().flatten().map_or(0, |entry| entry.at);
                    acknowledge(&log, pending.ack, at, is_page)(Ok(seq));
                }
                Ok(None) if !again => {
                    // Waits for a place in the inbox as clients do.
                    if let Some(inbox) = inbox.upgrade() {
                        let _ = inbox.send(Input::New(pending)).await;
                    }
                }
                // It was told before, and its entry is no longer kept.
                Ok(None) => answer(pending.ack, || vec![json!({ "ok": true })]),
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
        let (Some(log), Some(member)) = (self.log.clone(), self.members.get(sid)) else {
            return answer(ack, || vec![said]);
        };
        let reader = author(Some(member), member.name.as_ref());
        let name = self.namespace.trim_start_matches('/').to_owned();
        let after = after.map(|position| log.seq(&position));
        said["position"] = log.position(log.top()).into();
        said["room"] = json!({ "name": name });
        let plain = (ack.clone(), said.clone());
        let asked = self.read(async move {
            let (range, limit) = match after {
                Some(Some(seq)) => (Range::After(seq), MAX_PAGE),
                _ => (Range::Before(u64::MAX), AT_LOGIN),
            };
            match log.read(range, limit).await {
                Ok(page) => {
                    said["messages"] = messages(&log, &page, &reader).into();
                    said["more"] = page.more.into();
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

    /// A page asks for something of the log, or for a change in it.
    pub(super) fn asked(&mut self, sid: &Sid, asked: Asked, ack: Ack) {
        let Some(member) = self.members.get(sid) else { return };
        let socket = member.socket.clone();
        let refused =
            match (self.allow_notice(&socket, "many questions"), member_name(&self.members, sid)) {
                (Err(error), _) => Some(error),
                (_, None) => Some(ChatError::not_joined()),
                _ => None,
            };
        if let Some(error) = refused {
            log_refused(&socket, "question", &error);
            return answer(ack, || vec![error.ack_arg()]);
        }
        if let Err(error) = self.ask(sid, asked, ack.clone()) {
            log_refused(&socket, "question", &error);
            answer(ack, || vec![error.ack_arg()]);
        }
    }

    fn ask(&mut self, sid: &Sid, asked: Asked, ack: Ack) -> Result<(), ChatError> {
        let gone = || ChatError::new("gone", "it is not there any more");
        let (log, member) =
            (self.log.clone().ok_or_else(gone)?, self.members.get(sid).ok_or_else(gone)?);
        let reader = author(Some(member), member.name.as_ref());
        let place = |position: &str| log.seq(position);
        let read: BoxFuture<'static, ()> = match asked {
            Asked::History { before, after, limit } => {
                let range = match (before, after) {
                    (_, Some(after)) => place(&after).map(Range::After),
                    (Some(before), _) => place(&before).map(Range::Before),
                    (None, None) => Some(Range::Before(u64::MAX)),
                };
                let range =
                    range.ok_or_else(|| ChatError::new("gap", "that is another history"))?;
                let limit = limit.unwrap_or(AT_LOGIN).min(MAX_PAGE);
                Box::pin(async move {
                    let said = match log.read(range, limit).await {
                        Ok(page) => {
                            let messages = messages(&log, &page, &reader);
                            let last = page.entries.last().map(|entry| log.position(entry.seq));
                            json!({ "ok": true, "messages": messages, "more": page.more, "gap": page.gap, "position": last })
                        }
                        Err(error) => failed(&error).ack_arg(),
                    };
                    answer(ack, || vec![said]);
                })
            }
            Asked::Search { text, before, limit } => {
                let before = before.map(|before| place(&before).ok_or_else(gone)).transpose()?;
                let limit = limit.unwrap_or(MAX_FOUND).min(MAX_FOUND);
                Box::pin(async move {
                    let said = match log.search(&text, before, limit).await {
                        Ok(found) => {
                            let messages: Vec<Value> = found
                                .entries
                                .iter()
                                .filter_map(|it| shown(&log, it, &reader))
                                .collect();
                            let next = found.next.map(|seq| log.position(seq));
                            json!({ "ok": true, "messages": messages, "more": next.is_some(), "next": next })
                        }
                        Err(error) => failed(&error).ack_arg(),
                    };
                    answer(ack, || vec![said]);
                })
            }
            Asked::Edit { position, text } => {
                let seq = place(&position).ok_or_else(gone)?;
                let text = match text {
                    Some(text) => Some(self.check_text(sid, text)?),
                    None => None,
                };
                if self.roster.is_some() {
                    return Err(ChatError::new(
                        "cluster",
                        "messages cannot be changed in a cluster yet",
                    ));
                }
                let (inbox, sid) = (self.inbox.clone(), *sid);
                Box::pin(async move {
                    let entry = log.get(seq).await;
                    if let Some(inbox) = inbox.upgrade() {
                        let _ = inbox
                            .send(Input::Change(Box::new(Change { sid, entry, text, ack })))
                            .await;
                    }
                })
            }
            Asked::Rooms => {
                let (store, rooms) = (self.shared.settings.store.clone(), self.shared.rooms());
                let names = self.shared.settings.rooms.clone();
                Box::pin(async move {
                    let known = store.rooms(None, MAX_PAGE).await.unwrap_or_default();
                    let mut all: std::collections::BTreeMap<String, usize> =
                        names.named().map(|name| (format!("/{name}"), 0)).collect();
                    all.extend(
                        known
                            .rooms
                            .iter()
                            .filter(|it| &*it.name == "/" || names.room(&it.name).is_some())
                            .map(|it| (it.name.to_string(), 0)),
                    );
                    all.extend(rooms);
                    let more = known.more || all.len() > MAX_PAGE;
                    let listed: Vec<Value> = all
                        .into_iter()
                        .take(MAX_PAGE)
                        .map(|(name, people)| json!({ "name": name.trim_start_matches('/'), "people": people }))
                        .collect();
                    answer(ack, || vec![json!({ "ok": true, "rooms": listed, "more": more })]);
                })
            }
        };
        match self.read(read) {
            true => Ok(()),
            false => Err(ChatError::new("busy", "too much is asked at once: try again")),
        }
    }

    /// A member wants to change a message, which is here as it stands.
    pub(super) fn change(&mut self, change: Change) {
        let Change { sid, entry, text, ack } = change;
        let Some(member) = self.members.get(&sid) else { return };
        let (socket, author) = (member.socket.clone(), author(Some(member), member.name.as_ref()));
        let name = member.name.as_ref().map(|name| name.as_str().to_owned());
        let checked = match entry {
            Err(error) => Err(failed(&error)),
            Ok(Some(entry)) if entry.kind == Kind::Message && entry.deleted.is_none() => {
                match is_person(&author) && *entry.author == *author {
                    true => Ok(entry),
                    false => Err(ChatError::new("not yours", "only who has said it can change it")),
                }
            }
            Ok(_) => Err(ChatError::new("gone", "it is not there any more")),
        };
        let (entry, log) = match (checked, &self.log) {
            (Ok(entry), Some(log)) => (entry, log.clone()),
            (Err(error), _) => {
                log_refused(&socket, "change", &error);
                return answer(ack, || vec![error.ack_arg()]);
            }
            (_, None) => return,
        };
        let (at, target, position) = (now(), Some(entry.seq), log.position(entry.seq));
        let (kind, body) = match &text {
            Some(text) => (Kind::Edit, text.clone()),
            None => (Kind::Delete, String::new()),
        };
        let new = NewEntry { at, author, name, key: None, kind, target, body };
        let done = acknowledge(&log, ack.clone(), at, false);
        if let Err(error) = log.append(new, done) {
            let error = not_saved(&error);
            log_refused(&socket, "change", &error);
            return answer(ack, || vec![error.ack_arg()]);
        }
        let place = self.members.get_index_of(&sid);
        let notice = match &text {
            Some(text) => Notice::Edited { position: &position, text, at },
            None => Notice::Deleted { position: &position },
        };
        self.deliver(place, ChatProtocol::Page, &notice, None);
    }
}

fn member_name<'a>(members: &'a indexmap::IndexMap<Sid, Member>, sid: &Sid) -> Option<&'a Name> {
    members.get(sid)?.name.as_ref()
}
