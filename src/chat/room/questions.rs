//! What pages ask of the history, and the changes in it that they ask for.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::history::{AT_LOGIN, MAX_PAGE, after_gap, author, is_person, messages, now, shown};
use super::receipts::{acknowledge, failed, not_saved};
use super::{Input, Room, answer, log_refused};
use crate::chat::chat_protocol::{Asked, ChatProtocol, Notice};
use crate::chat::error::ChatError;
use crate::engine::Sid;
use crate::socketio::Ack;
use crate::store::{Entry, Kind, NewEntry, Range, StoreError};

/// Found messages in one answer.
const MAX_FOUND: usize = 50;

/// A message that a member wants to change, as it stands.
#[derive(Debug)]
pub(in crate::chat) struct Change {
    pub sid: Sid,
    pub entry: Result<Option<Arc<Entry>>, StoreError>,
    /// The new text; `None` to delete it.
    pub text: Option<String>,
    pub ack: Ack,
}

impl Room {
    /// A page asks for something of the log, or for a change in it.
    pub(super) fn asked(&mut self, sid: &Sid, asked: Asked, ack: Ack) {
        let Some(member) = self.members.get(sid) else { return };
        let socket = member.socket.clone();
        let has_name = member.name.is_some();
        let refused = match self.allow_notice(&socket, "many questions") {
            Ok(()) => (!has_name).then(ChatError::not_joined),
            Err(error) => Some(error),
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
        let member = self.members.get(sid).ok_or_else(gone)?;
        let reader = self.reader(member);
        if let Asked::Rooms { after } = asked {
            return self.list_rooms(&member.roles, after.as_deref(), ack);
        }
        let log = self.shared_log().cloned();
        let log =
            log.ok_or_else(|| ChatError::new("no history", "this server gives no history"))?;
        let place = |position: &str| log.number(position);
        let read: BoxFuture<'static, ()> = match asked {
            Asked::History { before, after, limit } => {
                let range = match (before, after) {
                    (_, Some(after)) => self.seen_to(&log, &after).map(Range::After),
                    (Some(before), _) => place(&before).map(Range::Before),
                    (None, None) => Some(Range::Before(u64::MAX)),
                };
                let range =
                    range.ok_or_else(|| ChatError::new("gap", "that is another history"))?;
                let limit = limit.unwrap_or(AT_LOGIN).min(MAX_PAGE);
                Box::pin(async move {
                    let said = match log.read(range, limit).await {
                        Ok(mut page) => {
                            if matches!(range, Range::After(_)) {
                                after_gap(&mut page);
                            }
                            let messages = messages(&log, &page, &reader);
                            let last = page.entries.last().map(|entry| log.position(entry.seq));
                            json!({ "ok": true, "messages": messages, "more": page.more, "gap": page.gap, "last": last })
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
            Asked::Rooms { .. } => return Ok(()),
        };
        self.read_or_refuse(read)
    }

    pub(super) fn read_or_refuse(
        &self,
        read: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ChatError> {
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
        let name = member.name.as_ref().map(|name| name.written().to_owned());
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
        if self.common.is_some() {
            return self.say_entry(sid, new, ack);
        }
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
