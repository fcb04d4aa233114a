//! What nodes tell each other, as it is in their common history.

use serde_json::Value;

use super::common::GAP;
use super::history::{self, author};
use super::receipts::Kept;
use super::speech::Pending;
use super::{Member, Room};
use crate::chat::chat_protocol::{ChatProtocol, Notice, Place};
use crate::chat::words;
use crate::engine::Sid;
use crate::socketio::{Ack, Flags, Part, Taken};
use crate::store::{Kind, NewEntry, RoomLog};

/// Something that is to be in the log under a number.
#[derive(Debug)]
pub(super) struct Item {
    pub seq: u64,
    pub new: NewEntry,
    /// Who waits for it, and whether that is a page.
    pub ack: (Ack, bool),
}

/// What a place is for pages.
pub(super) fn page_place(log: &RoomLog, taken: &Taken) -> Option<Place> {
    let place = taken.place?;
    Some(Place { position: log.position(place.number), at: said_at(taken) })
}

/// When it was said, on all nodes the same.
fn said_at(taken: &Taken) -> u64 {
    let late = taken.flags.late.map(history::since_1970);
    late.or(taken.place.map(|place| place.at)).unwrap_or_else(history::now)
}

/// What an entry is known by, if its author has given it no id: a node adds each of its own once.
fn own_key(taken: &Taken) -> Option<String> {
    words::number_of(taken).map(|(node, number)| format!("{node}.{number}"))
}

impl Room {
    /// What a message or another entry is in the log; `None` if it is nothing that is kept.
    pub(super) fn item(&self, taken: &Taken, id: Option<&str>) -> Option<Item> {
        let said = taken.packet.args.values.first()?.as_object()?;
        let text = |key: &str| said.get(key).and_then(Value::as_str);
        let name = match said.get("username") {
            Some(_) => Some(words::name(said)?),
            None => None,
        };
        let (kind, target, body) = match &*taken.packet.name {
            words::MESSAGE if taken.selector.rooms.is_empty() => {
                (Kind::Message, None, text("message")?)
            }
            words::ENTRY if words::is_for_nodes(&taken.selector) => {
                let target = said.get("target").and_then(Value::as_u64);
                (Kind::of(text("kind")?), target, text("body")?)
            }
            _ => return None,
        };
        if body.len() > self.shared.longest_message || kind == Kind::of(GAP) {
            return None;
        }
        let author = match words::author(&taken.selector) {
            Some(author) => author.to_owned(),
            None => author(None, name.as_ref()),
        };
        let key = id.map(str::to_owned).or_else(|| own_key(taken));
        let name = name.map(|name| name.written().to_owned());
        let body = body.to_owned();
        let new = NewEntry { at: said_at(taken), author, name, key, kind, target, body };
        Some(Item { seq: taken.place?.number, new, ack: (Ack::default(), false) })
    }

    /// A message of a member as it is in the log, acknowledged when it is durable there.
    pub(super) fn own_item(&self, pending: &Pending, taken: &Taken) -> Option<Item> {
        let item = self.item(taken, pending.id())?;
        let is_page = self.members.get(&pending.sid).is_some_and(Member::is_page);
        Some(Item { ack: (pending.ack.clone(), is_page), ..item })
    }

    /// Something has its place that was told before, or will be; or that is never told as a message.
    pub(super) fn take_place(&mut self, taken: &Taken, id: Option<&str>) -> Option<()> {
        let item = self.item(taken, id)?;
        if taken.origin.is_none()
            && let Some((mark, place)) = own_key(taken).zip(self.page_place(taken))
        {
            let notice = Notice::Placed { mark: &mark, place: &place };
            self.deliver(None, ChatProtocol::Users, &notice, None);
        }
        self.log_item(item);
        Some(())
    }

    /// A change of a message, or something else that is noted, comes from a node. `pending` is who of this node waits
    /// for it.
    pub(super) fn take_entry(&mut self, taken: &Taken, pending: Option<Pending>) -> Option<()> {
        if taken.part == Part::Told {
            // It takes place when it has its place.
            return Some(());
        }
        let mut item = self.item(taken, None)?;
        let log = self.log.as_ref()?;
        if let Some(pending) = pending {
            item.ack = (pending.ack, false);
        }
        let (new, at) = (&item.new, item.new.at);
        let position = new.target.map(|target| log.position(target)).unwrap_or_default();
        let notice = match new.kind {
            Kind::Edit => Some(Notice::Edited { position: &position, text: &new.body, at }),
            Kind::Delete => Some(Notice::Deleted { position: &position }),
            _ => None,
        };
        if let Some(notice) = notice {
            self.deliver(None, ChatProtocol::Users, &notice, None);
        }
        self.log_item(item);
        Some(())
    }

    /// Where a message is in the history, for pages.
    pub(super) fn page_place(&self, taken: &Taken) -> Option<Place> {
        page_place(self.shared_log()?, taken)
    }

    /// A message of a member is told. If it has no place yet, because others cannot be reached, it is acknowledged
    /// nevertheless.
    pub(super) fn keep_common(&mut self, pending: &Pending, taken: &Taken, is_early: bool) -> Kept {
        let place = self.page_place(taken);
        let mark = own_key(taken).filter(|_| is_early);
        if is_early {
            self.wait_for_place(pending, taken, mark.as_deref());
        }
        Kept { place, mark, both: None }
    }

    /// Has all nodes note something of a member, who is told when it is durable here.
    pub(super) fn say_entry(&mut self, sid: Sid, new: NewEntry, ack: Ack) {
        let name = self.members.get(&sid).and_then(|member| member.name.clone());
        let mut pending = Pending::new(sid, words::ENTRY, name, ChatProtocol::Page);
        (pending.author, pending.ack) = (new.author.clone(), ack);
        self.said += 1;
        let number = self.said;
        self.say(pending, Flags::default(), |node, _| words::entry(&new, node, number));
    }
}
