//! What moderators do: delete, mute, kick, ban, slow mode, announcements. Each is noted in the history.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::info;

use super::history::{author, now};
use super::receipts::{acknowledge, failed, not_saved};
use super::{Input, Member, Room, answer, log_refused};
use crate::chat::act::{Act, Target};
use crate::chat::chat_protocol::{ChatProtocol, Notice, Place};
use crate::chat::error::ChatError;
use crate::chat::name::Name;
use crate::chat::roles::Rank;
use crate::chat::roster::Told;
use crate::chat::sanctions::{Measure, Sanction, Whom};
use crate::chat::text::queued_len;
use crate::engine::Sid;
use crate::socketio::Ack;
use crate::store::{Accepted, Entry, Kind, NewEntry, StoreError};

/// What the history calls who acts by the admin API.
const OPERATOR: &str = "operator";

/// Who is told what came of it.
#[derive(Debug)]
pub(in crate::chat) enum Reply {
    Page(Ack),
    Operator(oneshot::Sender<Result<Value, ChatError>>),
}

impl Reply {
    fn send(self, outcome: Result<Value, ChatError>) {
        match self {
            Reply::Operator(operator) => drop(operator.send(outcome)),
            Reply::Page(ack) => {
                answer(ack, || vec![outcome.unwrap_or_else(|error| error.ack_arg())])
            }
        }
    }
}

/// Who acts: a member, or else an operator.
pub(in crate::chat) type By = Option<Sid>;

/// Something about a message, which is here as it stands.
#[derive(Debug)]
pub(in crate::chat) struct Judged {
    by: By,
    act: Act,
    entry: Result<Option<Arc<Entry>>, StoreError>,
    reply: Reply,
}

/// Whom something is about.
pub(super) struct Person {
    pub author: String,
    pub name: Option<String>,
    pub address: Option<IpAddr>,
}

impl Room {
    /// Somebody wants to do what moderators do.
    pub(super) fn moderate(&mut self, by: By, asked: &Value, reply: Reply) {
        let checked = match by.as_ref().map(|sid| self.check_moderator(sid)) {
            Some(Err(error)) => Err(error),
            _ => Act::read(asked),
        };
        match checked {
            Ok(act) => self.act(by, act, reply),
            Err(error) => self.refuse_act(by, reply, error),
        }
    }

    fn check_moderator(&mut self, sid: &Sid) -> Result<(), ChatError> {
        let member = self.members.get(sid).ok_or_else(|| gone("the connection is gone"))?;
        let (socket, may) = (member.socket.clone(), member.roles.may_moderate());
        let has_name = member.name.is_some();
        self.allow_notice(&socket, "many questions")?;
        match (has_name, may) {
            (false, _) => Err(ChatError::not_joined()),
            (true, false) => Err(ChatError::new("not allowed", "moderators alone can do that")),
            (true, true) => Ok(()),
        }
    }

    pub(super) fn refuse_act(&self, by: By, reply: Reply, error: ChatError) {
        if let Some(member) = by.and_then(|sid| self.members.get(&sid)) {
            log_refused(&member.socket, "moderation", &error);
        }
        reply.send(Err(error));
    }

    fn act(&mut self, by: By, act: Act, reply: Reply) {
        if self.is_elsewhere(&act) {
            return self.search(by, act, reply);
        }
        let done = match act {
            Act::Delete(ref position)
            | Act::Kick(Target::Position(ref position))
            | Act::Sanction { whom: Target::Position(ref position), .. } => {
                let position = position.clone();
                return self.judge(by, act, &position, reply);
            }
            Act::List => {
                let all = self.shared.sanctions.list();
                let all: Vec<Value> = all.iter().take(500).map(Sanction::shown).collect();
                return reply.send(Ok(json!({ "ok": true, "sanctions": all })));
            }
            Act::Kick(Target::Name(ref name)) => self.person_here(name).and_then(|person| {
                self.check_power(by, &person.author, person.name.as_deref())?;
                self.kick_everywhere(by, &person.author);
                Ok(json!({ "username": person.name }))
            }),
            Act::Kick(Target::Address(_)) => Err(ChatError::new("wrong", "whom? username")),
            Act::Sanction { measure, ref whom, time, with_address } => match whom {
                Target::Address(_) if by.is_some() => {
                    Err(ChatError::new("wrong", "whom? username, or position"))
                }
                Target::Address(address) => {
                    let whom = [Whom::address(*address)];
                    self.sanction(by, measure, whom, None, time)
                }
                Target::Name(name) => self
                    .person_here(name)
                    .and_then(|it| self.sanction_person(by, measure, it, time, with_address)),
                Target::Position(_) => return,
            },
            Act::Lift(ref id) => match self.shared.sanctions.lift(id) {
                Some(sanction) => {
                    let said = sanction.shown();
                    self.tell_sanction(sanction, true);
                    Ok(said)
                }
                None => Err(gone("there is no such mute or ban")),
            },
            Act::Slow(time) => {
                self.set_slow(time);
                self.tell_if_clustered(|node| Told::Slow { node, seconds: time.as_secs() });
                Ok(json!({ "seconds": time.as_secs() }))
            }
            Act::Announce(text) => return self.announce(by, text, reply),
        };
        self.acted(by, &act, done, reply);
    }

    /// Something was done, or not.
    pub(super) fn acted(
        &mut self,
        by: By,
        act: &Act,
        done: Result<Value, ChatError>,
        reply: Reply,
    ) {
        match done {
            Ok(said) => self.note(by, act.word(), &said, reply),
            Err(error) => self.refuse_act(by, reply, error),
        }
    }

    /// Looks for a message first.
    fn judge(&mut self, by: By, act: Act, position: &str, reply: Reply) {
        let log = self.shared_log().cloned();
        let found = log.and_then(|log| log.seq(position).map(|seq| (log, seq)));
        let Some((log, seq)) = found else {
            return self.refuse_act(by, reply, gone("that message is not in this history"));
        };
        let inbox = self.inbox.clone();
        // If too much is asked at once, the reply is dropped, and the page asks again.
        self.read(async move {
            let entry = log.get(seq).await;
            if let Some(inbox) = inbox.upgrade() {
                let judged = Judged { by, act, entry, reply };
                let _ = inbox.send(Input::Judged(Box::new(judged))).await;
            }
        });
    }

    /// A message is here that something is about.
    pub(super) fn judged(&mut self, judged: Judged) {
        let Judged { by, act, entry, reply } = judged;
        // The moderator may have gone, or lost the role meanwhile.
        let may = by.is_none_or(|sid| {
            self.members.get(&sid).is_some_and(|member| member.roles.may_moderate())
        });
        let entry = match entry {
            Ok(Some(entry)) if may && entry.kind == Kind::Message => entry,
            Ok(_) => return self.refuse_act(by, reply, gone("it is not there any more")),
            Err(error) => return self.refuse_act(by, reply, failed(&error)),
        };
        if let Act::Delete(_) = act {
            return self.delete(by, &entry, reply);
        }
        let here = self.members.values().find(|it| of(it) == *entry.author);
        let person = Person {
            author: entry.author.to_string(),
            name: entry.name.as_deref().map(str::to_owned),
            address: here.map(|member| member.socket.session().handshake().bucket),
        };
        let done = match act {
            Act::Sanction { measure, time, with_address, .. } => {
                self.sanction_person(by, measure, person, time, with_address)
            }
            _ => self.check_power(by, &person.author, person.name.as_deref()).map(|()| {
                self.kick_everywhere(by, &person.author);
                json!({ "username": person.name })
            }),
        };
        match done {
            Ok(said) => self.note(by, act.word(), &said, reply),
            Err(error) => self.refuse_act(by, reply, error),
        }
    }

    fn delete(&mut self, by: By, entry: &Entry, reply: Reply) {
        if entry.deleted.is_some() {
            return self.refuse_act(by, reply, gone("it is not there any more"));
        }
        let Some(log) = self.log.clone() else { return };
        let kept = self.append(by, Kind::Delete, Some(entry.seq), String::new(), reply);
        if kept.is_err() {
            return;
        }
        if self.common.is_none() {
            let position = log.position(entry.seq);
            self.deliver(None, ChatProtocol::Page, &Notice::Deleted { position: &position }, None);
        }
        self.tell_of_deletion(entry.name.as_deref());
        let name = entry.name.as_deref().map(str::to_owned);
        self.tell_if_clustered(|node| Told::Deleted { node, name });
    }

    /// The member of this node whose name is that one, or looks like it.
    pub(super) fn named_here(&self, wanted: &Name) -> Option<&Member> {
        let has = |it: &&Member| it.name.as_ref().is_some_and(|name| name.is_like(wanted));
        self.members.values().find(has)
    }

    fn person_here(&self, name: &str) -> Result<Person, ChatError> {
        let member = self.named_here(&Name::read(name)?);
        let member = member.ok_or_else(|| gone("nobody of that name is here"))?;
        Ok(Person {
            author: of(member),
            name: member.name.as_ref().map(|name| name.written().to_owned()),
            address: Some(member.socket.session().handshake().bucket),
        })
    }

    /// Moderators have no power over each other; administrators and operators have it over them. Of who is not there
    /// no rank is known: what is done then holds for lower ranks alone.
    fn check_power(&self, by: By, author: &str, name: Option<&str>) -> Result<(), ChatError> {
        let whom = self.rank_anywhere(author, name);
        match whom == Rank::Nobody || self.rank_of_actor(by) > whom {
            true => Ok(()),
            false => Err(ChatError::new("not allowed", "that is a moderator")),
        }
    }

    pub(super) fn sanction_person(
        &mut self,
        by: By,
        measure: Measure,
        person: Person,
        time: Duration,
        with_address: bool,
    ) -> Result<Value, ChatError> {
        self.check_power(by, &person.author, person.name.as_deref())?;
        if person.author == "n:" {
            return Err(ChatError::new("wrong", "who has no name can be found by no name"));
        }
        let address = person.address.filter(|_| with_address).map(Whom::address);
        let whom = [Some(Whom::Person(person.author)), address];
        self.sanction(by, measure, whom.into_iter().flatten(), person.name, time)
    }

    fn sanction(
        &mut self,
        by: By,
        measure: Measure,
        whom: impl IntoIterator<Item = Whom>,
        name: Option<String>,
        time: Duration,
    ) -> Result<Value, ChatError> {
        let until = now().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let (rank, (_, by)) = (self.rank_of_actor(by), self.actor(by));
        let mut last = Value::Null;
        for whom in whom {
            let (name, by) = (name.clone(), by.clone().unwrap_or_default());
            let sanction = Sanction { measure, whom, until, name, by, rank };
            match time.is_zero() {
                true => drop(self.shared.sanctions.lift(&sanction.id())),
                false => self.shared.sanctions.put(sanction.clone())?,
            }
            // The first is the person's.
            if last.is_null() {
                last = sanction.shown();
            }
            self.tell_sanction(sanction, time.is_zero());
        }
        self.enforce_everywhere();
        Ok(last)
    }

    fn announce(&mut self, by: By, text: String, reply: Reply) {
        let max = self.shared.longest_message;
        if queued_len(&text) > max {
            let message = format!("a message has at most {max} bytes");
            return self.refuse_act(by, reply, ChatError::new("too long", message));
        }
        let place = self.append(by, Kind::Event("announce".into()), None, text.clone(), reply);
        let Ok(place) = place else { return };
        let notice = Notice::Announcement { text: &text, at: now(), place: place.as_ref() };
        self.deliver(None, ChatProtocol::Users, &notice, None);
        self.tell_if_clustered(|node| Told::Announce { node, text });
    }

    /// Who acts: the word for it in the history, and the name.
    fn actor(&self, by: By) -> (String, Option<String>) {
        match by.and_then(|sid| self.members.get(&sid)) {
            Some(member) => {
                (of(member), member.name.as_ref().map(|name| name.written().to_owned()))
            }
            None => (OPERATOR.to_owned(), Some(OPERATOR.to_owned())),
        }
    }

    /// Notes in the history what was done, and says that it is.
    fn note(&mut self, by: By, word: &'static str, said: &Value, reply: Reply) {
        let _ = self.append(by, Kind::Event(word.into()), None, said.to_string(), reply);
    }

    /// Appends to the history of all nodes, or of this one. Who waits is told when it is durable.
    fn append(
        &mut self,
        by: By,
        kind: Kind,
        target: Option<u64>,
        body: String,
        reply: Reply,
    ) -> Result<Option<Place>, ChatError> {
        let (author, name) = self.actor(by);
        info!(room = %self.namespace, action = kind.word(), by = name.as_deref(), "moderated");
        let at = now();
        let new = NewEntry { at, author, name, key: None, kind, target, body };
        let (ack, operator) = match reply {
            Reply::Page(ack) => (ack, None),
            Reply::Operator(operator) => (Ack::default(), Some(operator)),
        };
        let place = match self.log.clone() {
            _ if self.common.is_some() => {
                if let Some(sid) = by.or_else(|| Sid::random().ok()) {
                    self.say_entry(sid, new, ack);
                }
                Ok(None)
            }
            None => {
                answer(ack, || vec![json!({ "ok": true })]);
                Ok(None)
            }
            Some(log) => match log.append(new, acknowledge(&log, ack.clone(), at, false)) {
                Ok(Accepted::New(seq) | Accepted::Known(seq)) => {
                    let place = || Place { position: log.position(seq), at };
                    Ok(self.shared_log().map(|_| place()))
                }
                Err(error) => {
                    let error = not_saved(&error);
                    answer(ack, || vec![error.ack_arg()]);
                    Err(error)
                }
            },
        };
        if let Some(operator) = operator {
            let said = place.as_ref().map(|_| json!({ "ok": true }));
            let said = said.map_err(|error| ChatError::new(error.reason, &*error.message));
            let _ = operator.send(said);
        }
        place
    }
}

/// The word for a member in the history.
pub(super) fn of(member: &Member) -> String {
    match &member.account {
        // Also before the login.
        Some(account) => account.person.author(),
        None => author(Some(member), member.name.as_ref()),
    }
}

pub(super) fn gone(message: &str) -> ChatError {
    ChatError::new("gone", message)
}
