//! What members say: on its way to all nodes, and when it comes back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tracing::trace;

use super::rename::Renamed;
use super::{Member, Room, history, log_refused};
use crate::chat::chat_protocol::{ChatProtocol, MAX_ID, Notice, nameless};
use crate::chat::error::ChatError;
use crate::chat::name::Name;
use crate::chat::rate_limits::Kind;
use crate::chat::roster::Roster;
use crate::chat::text::queued_len;
use crate::chat::{recent, words};
use crate::engine::Sid;
use crate::socketio::{Ack, Flags, Packet, Part, Taken};

/// What may be on its way. Older ones are given up: their senders will ask again.
const MAX_PENDING: usize = 4096;

/// Something of a member of this node that was sent and has not come back.
#[derive(Debug)]
pub(in crate::chat) struct Pending {
    pub sid: Sid,
    word: &'static str,
    /// The sender's name, and its chat protocol.
    pub name: Option<Name>,
    /// Of somebody with another name: what that changes.
    pub renamed: Option<Renamed>,
    pub chat_protocol: ChatProtocol,
    /// A message's.
    pub text: String,
    /// The word for who says it in the history.
    pub author: String,
    /// What the message is known by, if its page has given it an id.
    key: Option<Arc<str>>,
    pub ack: Ack,
}

impl Pending {
    pub fn new(sid: Sid, word: &'static str, name: Option<Name>, protocol: ChatProtocol) -> Self {
        let (text, key, ack) = (String::new(), None, Ack::default());
        let author = String::new();
        let renamed = None;
        Pending { sid, word, name, renamed, chat_protocol: protocol, text, author, key, ack }
    }

    /// The id that its page has given it.
    pub fn id(&self) -> Option<&str> {
        Some(self.key.as_ref()?.split_once('\n')?.1)
    }
}

impl Room {
    /// Sends something of a member to all nodes. It is heard here when it comes back: at once without a
    /// cluster.
    pub(super) fn say(
        &mut self,
        pending: Pending,
        flags: Flags,
        packet: impl FnOnce(&Arc<str>, &Pending) -> Packet,
    ) {
        // Of a node that has left, nobody hears who comes and goes.
        let parted =
            self.parted.as_ref().filter(|_| [words::MESSAGE, words::ENTRY].contains(&pending.word));
        let Some(me) = self.roster.as_ref().map(Roster::me).or(parted) else {
            return self.back(pending, None);
        };
        let Some(adapter) = self.adapter.as_ref().and_then(|adapter| adapter.upgrade()) else {
            return;
        };
        let (packet, id) = (packet(me, &pending), pending.sid.as_str());
        let selector = match pending.word {
            words::ENTRY => words::to_nodes(id, &pending.author),
            _ if pending.author.is_empty() => words::to_others(id),
            _ => words::to_others_by(id, &pending.author),
        };
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(pending);
        adapter.broadcast(packet, selector, flags);
    }

    /// What of this node has come back: it is the first of that kind of the member's, with the same id.
    pub(super) fn came_back(&mut self, taken: &Taken, id: Option<&str>) -> Option<Pending> {
        if taken.origin.is_some() {
            return None;
        }
        let sid = Sid::parse(words::speaker(&taken.selector)?)?;
        let is_it = |it: &Pending| it.sid == sid && it.word == taken.packet.name && it.id() == id;
        self.pending.remove(self.pending.iter().position(is_it)?)
    }

    /// Something of a member has its place.
    pub(super) fn back(&mut self, pending: Pending, taken: Option<&Taken>) {
        if pending.word == words::MESSAGE {
            return self.said(pending, taken);
        }
        let offset = taken.and_then(|taken| taken.offset.as_ref());
        let Pending { sid, word, name, renamed, chat_protocol, author, .. } = pending;
        if let (Some(renamed), Some(name)) = (&renamed, &name) {
            return self.tell_renamed(Some(&sid), chat_protocol, renamed, name, offset);
        }
        let place = self.members.get_index_of(&sid);
        match (word, &name) {
            (words::TYPING | words::STOP_TYPING, Some(name)) => {
                self.tell_typing(place, word, name, Some(&author), offset);
            }
            (_, Some(name)) if !self.is_double(name) => {
                self.notice(place, chat_protocol, word == words::JOINED, name, offset);
            }
            _ => {}
        }
    }

    /// A message of a member has its place among those of all nodes.
    fn said(&mut self, pending: Pending, taken: Option<&Taken>) {
        let offset = taken.and_then(|taken| taken.offset.as_ref());
        let common = taken.filter(|_| self.common.is_some());
        let item = common.and_then(|taken| self.own_item(&pending, taken));
        if pending.key.as_ref().is_some_and(|key| !self.recent.insert(key)) {
            // It came twice at once.
            return match item {
                Some(item) => self.log_item(item),
                None => self.seek(pending, true),
            };
        }
        let kept = match common {
            Some(taken) => Some(self.keep_common(&pending, taken, item.is_none())),
            None => self.keep(&pending, history::now()),
        };
        let Some(kept) = kept else { return };
        let Pending { sid, name, chat_protocol, text, author, .. } = pending;
        let at = self.members.get_index_of(&sid);
        let (late, place, mark) = (None, kept.place.as_ref(), kept.mark.as_deref());
        let role = self.members.get(&sid).and_then(|member| member.roles.shown());
        let (by, text_of, author) = (name.as_ref(), &*text, Some(&*author));
        let notice = Notice::Message { name: by, text: text_of, author, role, late, place, mark };
        let offset = self.offset_at(place).or_else(|| offset.cloned());
        self.deliver(at, chat_protocol, &notice, offset.as_ref());
        if chat_protocol == ChatProtocol::Bare
            && let Some(member) = self.members.get(&sid)
        {
            // The tutorial's page shows its own messages only when the server sends them back. The others get
            // it so, too.
            let shown = match name {
                Some(_) => text,
                None => nameless(&text),
            };
            self.say_to(member, "chat message", &shown, offset);
        }
        kept.told();
        item.into_iter().for_each(|item| self.log_item(item));
    }

    /// `at` is the member's place.
    pub(super) fn message(
        &mut self,
        at: usize,
        chat_protocol: ChatProtocol,
        text: Value,
        id: Option<String>,
        ack: Ack,
    ) {
        let checked = self.check_message(at, chat_protocol, text);
        let Some((&sid, _)) = self.members.get_index(at) else { return };
        let text = match checked {
            Ok(text) => text,
            Err(error) => return self.refuse(&sid, chat_protocol, ack, &error),
        };
        let Some(member) = self.members.get(&sid) else { return };
        let key = id.as_ref().map(|id| recent::key(member.name.as_ref(), id));
        let is_known = key.as_ref().is_some_and(|key| self.recent.contains(key));
        trace!(%sid, text, "message");
        let (word, name) = (words::MESSAGE, member.name.clone());
        let author = history::author(Some(member), name.as_ref());
        let renamed = None;
        let pending = Pending { sid, word, name, renamed, chat_protocol, text, author, key, ack };
        // If the message was handled before, here or on another node, only the acknowledgement was lost.
        if is_known || self.may_be_known(&pending) {
            return self.seek(pending, is_known);
        }
        self.pass_on(pending);
    }

    /// Whether a member may say something.
    pub(super) fn may_write(&self, member: &Member) -> bool {
        member.roles.may_moderate() || self.rules.may_write(|role| member.roles.has(role))
    }

    /// The time between two messages of a person.
    pub(super) fn slow_mode(&self) -> Duration {
        self.slow_set.or(self.rules.slow).unwrap_or_default()
    }

    /// Sends a new message of a member on its way, if it does not come too soon.
    pub(super) fn pass_on(&mut self, pending: Pending) {
        let Some(member) = self.members.get(&pending.sid) else { return };
        let every = self.slow_mode();
        let address = member.socket.session().handshake().bucket;
        let every = if member.roles.may_moderate() { Duration::ZERO } else { every };
        if let Err(wait) = self.slow.take(&pending.author, address, every, Instant::now()) {
            let seconds = wait.as_millis().div_ceil(1000);
            let message = format!("this room is in slow mode: wait {seconds} s");
            let error = ChatError { wait: Some(wait), ..ChatError::new("slow", message) };
            return self.refuse(&pending.sid, pending.chat_protocol, pending.ack, &error);
        }
        let role = member.roles.shown();
        if let Some(member) = self.members.get_mut(&pending.sid) {
            member.told = None;
        }
        self.shared.stats.message(true);
        self.said += 1;
        let number = self.said;
        self.say(pending, Flags::default(), |node, pending| {
            let (name, text) = (pending.name.as_ref(), &pending.text);
            words::message(name, text, pending.id(), role, node, number)
        });
    }

    /// A message has an id that cannot be kept. `at` is the member's place.
    pub(super) fn refuse_id(&mut self, at: usize, chat_protocol: ChatProtocol, ack: Ack) {
        let Some((&sid, member)) = self.members.get_index(at) else { return };
        let socket = member.socket.clone();
        let message = format!("the id of a message is a text of at most {MAX_ID} bytes");
        let error = match self.allow_notice(&socket, "many messages") {
            Ok(()) => ChatError::new("id", message),
            Err(error) => error,
        };
        self.refuse(&sid, chat_protocol, ack, &error);
    }

    /// Checks a text that is to replace another.
    pub(super) fn check_text(&mut self, sid: &Sid, text: Value) -> Result<String, ChatError> {
        let at = self.members.get_index_of(sid).unwrap_or(usize::MAX);
        self.check_message(at, ChatProtocol::Users, text)
    }

    fn check_message(
        &mut self,
        at: usize,
        chat_protocol: ChatProtocol,
        text: Value,
    ) -> Result<String, ChatError> {
        let gone = || ChatError::new("gone", "the connection is gone");
        let max = self.longest_message();
        let (_, member) = self.members.get_index(at).ok_or_else(gone)?;
        if member.name.is_none() && chat_protocol != ChatProtocol::Bare {
            return Err(ChatError::not_joined());
        }
        self.check_mute(member)?;
        if !self.may_write(member) {
            return Err(ChatError::new("read only", "in this room you can only read"));
        }
        let Value::String(text) = text else {
            return Err(ChatError::new("no text", "a message is a text"));
        };
        if text.len() > max {
            return Err(ChatError::new("too long", format!("a message has at most {max} bytes")));
        }
        // Every reader gets the name with the text.
        let bytes =
            queued_len(&text) + member.name.as_ref().map_or(0, |name| queued_len(name.written()));
        let costs = [(Kind::Messages, 1), (Kind::Bytes, bytes)];
        self.shared.take(member.socket.session(), &costs).map_err(|error| {
            let what = if error.kind == Kind::Bytes { "much text" } else { "many messages" };
            ChatError::rate_limited(what, &error)
        })?;
        Ok(text)
    }

    fn longest_message(&self) -> usize {
        self.shared.longest_message
    }

    /// A message of another node has its place. `None` if it is none that can be shown.
    pub(super) fn take_message(&mut self, taken: &Taken, id: Option<&str>) -> Option<()> {
        let said = taken.packet.args.values.first()?.as_object()?;
        if let Some((node, number)) = words::number(said) {
            self.shared.stats.missed_elsewhere(self.gaps.came(&node, number));
        }
        let text = said.get("message")?.as_str()?;
        if text.len() > self.longest_message() {
            return None;
        }
        let name = match said.get("username") {
            Some(_) => Some(words::name(said)?),
            None => None,
        };
        if !words::is_ours(said) {
            self.seen(taken, name.as_ref());
        }
        if id.is_none_or(|id| self.recent.insert(&recent::key(name.as_ref(), id))) {
            let late = taken.flags.late.map(history::since_1970);
            let place = match self.common {
                Some(_) => self.page_place(taken),
                None => {
                    let at = late.unwrap_or_else(history::now);
                    let author = words::author(&taken.selector);
                    self.keep_foreign(author, name.as_ref(), text, id, at)
                }
            };
            let (place, mark) = (place.as_ref(), None);
            let role = words::role(said);
            let (name, author) = (name.as_ref(), words::author(&taken.selector));
            let notice = Notice::Message { name, text, author, role, late, place, mark };
            let offset = self.offset_at(place).or_else(|| taken.offset.clone());
            self.deliver(None, ChatProtocol::Users, &notice, offset.as_ref());
        }
        if taken.part == Part::Whole
            && let Some(item) = self.common.as_ref().and_then(|_| self.item(taken, id))
        {
            self.log_item(item);
        }
        Some(())
    }

    pub(super) fn typing(&mut self, sid: &Sid, typing: bool) {
        let Some(member) = self.members.get(sid) else { return };
        let (socket, name) = (member.socket.clone(), member.name.clone());
        if let Err(error) = self.allow_notice(&socket, "many notices") {
            return log_refused(&socket, "notice", &error);
        }
        let Some(name) = name else {
            let error = ChatError::not_joined();
            log_refused(&socket, "notice", &error);
            return socket.emit("message error", error.event_arg());
        };
        if let Some(member) = self.members.get_mut(sid) {
            member.types = typing;
        }
        let author = history::author(self.members.get(sid), Some(&name));
        self.say_typing(sid, typing, name, author);
    }

    /// Says that a member types, or does not any more.
    pub(super) fn say_typing(&mut self, sid: &Sid, typing: bool, name: Name, author: String) {
        let word = if typing { words::TYPING } else { words::STOP_TYPING };
        let pending = Pending::new(*sid, word, Some(name.clone()), ChatProtocol::Users);
        let pending = Pending { author, ..pending };
        let flags = Flags { volatile: true, ..Flags::default() };
        self.say(pending, flags, |node, _| words::typing(&name, word, node));
    }

    /// A typing notice of another node has its place.
    pub(super) fn take_typing(&mut self, taken: &Taken, word: &str) -> Option<()> {
        let said = taken.packet.args.values.first()?.as_object()?;
        let name = words::name(said)?;
        if !words::is_ours(said) {
            self.seen(taken, Some(&name));
        }
        self.tell_typing(None, word, &name, words::author(&taken.selector), taken.offset.as_ref());
        Some(())
    }

    /// Tells members of it, but not those of the same person.
    fn tell_typing(
        &self,
        except: Option<usize>,
        word: &str,
        name: &Name,
        author: Option<&str>,
        offset: Option<&Arc<str>>,
    ) {
        let notice = match word == words::TYPING {
            true => Notice::Typing { name },
            false => Notice::StopTyping { name },
        };
        let is_other = |member: &Member| !author.is_some_and(|author| member.is(author));
        self.deliver_to(except, ChatProtocol::Users, &notice, offset, is_other);
    }
}
