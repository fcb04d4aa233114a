//! The chat-room actor: one task that owns the people and hears everything in one order.

use std::cell::OnceCell;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, trace};

use super::ChatSettings;
use super::name::{BadName, Name};
use super::rate::{Hasty, Rate};
use super::vocabulary::{Notice, Said, VOCABULARIES, Vocabulary, tell};
use crate::engine::{Cork, Sid};
use crate::socketio::{Broadcast, Responder, Socket};

/// What comes into the room.
#[derive(Debug)]
pub(super) enum Input {
    Connected(Socket),
    Said { sid: Sid, vocabulary: Vocabulary, said: Said, ack: Option<Responder> },
    Disconnected(Sid),
}

/// Inputs handled between two looks at the runtime.
const BATCH: usize = 64;
/// Names told at once to who asks for them.
const WHO_LIMIT: usize = 500;
/// Recent message ids that are remembered, to recognise what is sent again.
const REMEMBERED_IDS: usize = 4096;

/// The task that has to be run for a chat.
#[derive(Debug)]
pub struct RoomTask {
    room: Room,
    inbox: mpsc::Receiver<Input>,
}

impl RoomTask {
    pub(super) fn new(
        settings: ChatSettings,
        inbox: mpsc::Receiver<Input>,
        hasty: Arc<Hasty>,
    ) -> Self {
        RoomTask { room: Room::new(settings, hasty), inbox }
    }

    /// Runs until the chat is gone.
    pub async fn run(mut self) {
        let RoomTask { room, inbox } = &mut self;
        let mut batch = Vec::with_capacity(BATCH);
        // Who hears of several things before its turn to be written to comes gets them at once.
        let mut cork = Cork::default();
        loop {
            if cork.is_idle() {
                tokio::select! {
                    biased;
                    count = inbox.recv_many(&mut batch, BATCH) => if count == 0 {
                        return;
                    },
                    () = cork.due() => {}
                }
            } else {
                batch.extend(std::iter::from_fn(|| inbox.try_recv().ok()).take(BATCH));
            }
            cork.hold(|| batch.drain(..).for_each(|input| room.hear(input)));
            cork.release().await;
        }
    }
}

#[derive(Debug)]
struct Member {
    socket: Socket,
    vocabulary: Option<Vocabulary>,
    name: Option<Name>,
    messages: Rate,
    bytes: Rate,
    notices: Rate,
}

#[derive(Debug)]
struct Room {
    settings: ChatSettings,
    namespace: Arc<str>,
    members: IndexMap<Sid, Member>,
    users: usize,
    recent: RecentIds,
    hasty: Arc<Hasty>,
}

/// Why something was not done for a client: `reason` for programs, `message` for people.
struct Denied {
    reason: &'static str,
    message: String,
}

impl Denied {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Denied { reason, message: message.into() }
    }

    fn not_joined() -> Self {
        Denied::new("not joined", "choose a name first")
    }

    fn hasty(what: &str, wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1000);
        Denied::new("rate", format!("too {what} at once: wait {seconds} s"))
    }

    fn answer(&self) -> Value {
        json!({ "ok": false, "reason": self.reason, "message": self.message })
    }

    fn event(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message })
    }
}

impl From<BadName> for Denied {
    fn from(error: BadName) -> Self {
        Denied::new("name", error.to_string())
    }
}

impl Room {
    fn new(settings: ChatSettings, hasty: Arc<Hasty>) -> Self {
        Room {
            settings,
            namespace: Arc::from("/"),
            members: IndexMap::new(),
            users: 0,
            recent: RecentIds::default(),
            hasty,
        }
    }

    fn hear(&mut self, input: Input) {
        match input {
            Input::Connected(socket) => {
                let member = Member {
                    vocabulary: None,
                    name: None,
                    messages: Rate::new(self.settings.message_rate),
                    bytes: Rate::new(u32::try_from(self.settings.byte_rate).unwrap_or(u32::MAX)),
                    notices: Rate::new(self.settings.message_rate),
                    socket,
                };
                self.members.insert(member.socket.session().sid(), member);
            }
            Input::Disconnected(sid) => self.leave(&sid),
            Input::Said { sid, vocabulary, said, ack } => {
                let Some(member) = self.members.get_mut(&sid) else { return };
                member.vocabulary.get_or_insert(vocabulary);
                match said {
                    Said::Join(name) => self.join(&sid, vocabulary, &name, ack),
                    Said::Message { text, id } => self.message(&sid, vocabulary, &text, id, ack),
                    Said::Typing => self.typing(&sid, true),
                    Said::StopTyping => self.typing(&sid, false),
                    Said::Who => self.who(&sid, ack),
                    Said::Latency => answer(ack, Vec::new),
                }
            }
        }
    }

    fn join(&mut self, sid: &Sid, vocabulary: Vocabulary, name: &Value, ack: Option<Responder>) {
        let Some(member) = self.members.get_mut(sid) else { return };
        let socket = member.socket.clone();
        if let Err(wait) = member.notices.take(1, Instant::now()) {
            let denied = Denied::hasty("many logins", wait);
            if vocabulary == Vocabulary::Nicknames {
                // The answer alone would say that the name is taken.
                socket.emit("announcement", [denied.message.as_str().into()]);
            }
            return refuse_login(&socket, vocabulary, &denied, ack);
        }
        if let Some(name) = &member.name {
            // A second login is ignored, as the example has done since 1.4.
            let name = name.as_str();
            return answer(ack, || match vocabulary {
                Vocabulary::Nicknames => vec![Value::Bool(false)],
                _ => vec![json!({ "ok": true, "username": name, "numUsers": self.users })],
            });
        }
        let name = match self.check_name(vocabulary, name) {
            Ok(name) => name,
            Err(denied) => return refuse_login(&socket, vocabulary, &denied, ack),
        };
        self.users += 1;
        let users = self.users;
        if let Some(member) = self.members.get_mut(sid) {
            member.name = Some(name.clone());
        }
        match vocabulary {
            Vocabulary::Nicknames => answer(ack, || vec![Value::Bool(false)]),
            _ => {
                socket.emit("login", [json!({ "numUsers": users })]);
                let username = name.as_str();
                answer(ack, || {
                    vec![json!({ "ok": true, "username": username, "numUsers": users })]
                });
            }
        }
        self.tell_others(sid, vocabulary, &Notice::Joined { name: &name, users });
        self.tell_nicknames();
    }

    fn check_name(&self, vocabulary: Vocabulary, name: &Value) -> Result<Name, Denied> {
        let name = Name::new(name.as_str().ok_or(BadName::NoText)?)?;
        let unique = !self.settings.duplicate_names || vocabulary == Vocabulary::Nicknames;
        if unique && self.members.values().any(|member| member.name.as_ref() == Some(&name)) {
            return Err(Denied::new("taken", format!("{name} is taken")));
        }
        Ok(name)
    }

    fn message(
        &mut self,
        sid: &Sid,
        vocabulary: Vocabulary,
        text: &Value,
        id: Option<String>,
        ack: Option<Responder>,
    ) {
        let now = Instant::now();
        let checked = self.check_message(sid, vocabulary, text, now);
        let Some(member) = self.members.get(sid) else { return };
        let text = match checked {
            Ok(text) => text,
            Err(denied) => {
                debug!(%sid, reason = denied.reason, "message refused");
                match vocabulary {
                    Vocabulary::Nicknames => {
                        member.socket.emit("announcement", [denied.message.as_str().into()]);
                    }
                    _ => member.socket.emit("message error", [denied.event()]),
                }
                return answer(ack, || vec![denied.answer()]);
            }
        };
        // Of the same person, that is: ids of different pages have nothing to do with each other.
        let name = member.name.as_ref().map_or("", Name::as_str);
        if id.is_some_and(|id| !self.recent.insert(format!("{name}\n{id}"))) {
            // It came before, and only the answer was lost.
            return answer(ack, || vec![json!({ "ok": true })]);
        }
        trace!(%sid, text, "message");
        let (socket, name) = (member.socket.clone(), member.name.clone());
        let notice = Notice::Message { name: name.as_ref(), text };
        self.tell_others(sid, vocabulary, &notice);
        if vocabulary == Vocabulary::Bare
            && let Some((event, args)) = tell(vocabulary, &Notice::Message { name: None, text })
        {
            // The tutorial's page shows what comes back, and nothing else.
            socket.emit(event, args);
        }
        answer(ack, || vec![json!({ "ok": true })]);
    }

    fn check_message<'a>(
        &mut self,
        sid: &Sid,
        vocabulary: Vocabulary,
        text: &'a Value,
        now: Instant,
    ) -> Result<&'a str, Denied> {
        let max = self.settings.message_max;
        let gone = || Denied::new("gone", "the connection is gone");
        let member = self.members.get_mut(sid).ok_or_else(gone)?;
        if member.name.is_none() && vocabulary != Vocabulary::Bare {
            return Err(Denied::not_joined());
        }
        let text = text.as_str().ok_or_else(|| Denied::new("no text", "a message is a text"))?;
        if text.len() > max {
            return Err(Denied::new("too long", format!("a message has at most {max} bytes")));
        }
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        member.messages.take(1, now).map_err(|wait| {
            self.hasty.note_messages();
            Denied::hasty("many messages", wait)
        })?;
        member.bytes.take(length, now).map_err(|wait| {
            self.hasty.note_bytes();
            Denied::hasty("much text", wait)
        })?;
        Ok(text)
    }

    fn typing(&mut self, sid: &Sid, typing: bool) {
        let now = Instant::now();
        let Some(member) = self.members.get_mut(sid) else { return };
        if member.notices.take(1, now).is_err() {
            return;
        }
        let Some(name) = member.name.clone() else {
            let denied = Denied::not_joined();
            return member.socket.emit("message error", [denied.event()]);
        };
        let notice = match typing {
            true => Notice::Typing { name: &name },
            false => Notice::StopTyping { name: &name },
        };
        self.tell_others(sid, Vocabulary::Users, &notice);
    }

    fn who(&mut self, sid: &Sid, ack: Option<Responder>) {
        let Some(member) = self.members.get_mut(sid) else { return };
        if let Err(wait) = member.notices.take(1, Instant::now()) {
            return answer(ack, || vec![Denied::hasty("many questions", wait).answer()]);
        }
        answer(ack, || {
            let names = self.members.values().filter_map(|member| member.name.as_ref());
            let people: Vec<&str> = names.take(WHO_LIMIT).map(Name::as_str).collect();
            let more = self.users > people.len();
            vec![json!({ "numUsers": self.users, "people": people, "more": more })]
        });
    }

    fn leave(&mut self, sid: &Sid) {
        let Some(member) = self.members.swap_remove(sid) else { return };
        let Some(name) = member.name else { return };
        self.users -= 1;
        let vocabulary = member.vocabulary.unwrap_or(Vocabulary::Users);
        self.tell_others(sid, vocabulary, &Notice::Left { name: &name, users: self.users });
        self.tell_nicknames();
    }

    /// Tells everybody but one, each in their words; who has none yet, in those of `speaker`. Each
    /// wording is made once, and encoded once for each dialect.
    fn tell_others(&self, except: &Sid, speaker: Vocabulary, notice: &Notice<'_>) {
        let wordings: [OnceCell<Option<Broadcast>>; VOCABULARIES] = Default::default();
        for (sid, member) in &self.members {
            if sid == except {
                continue;
            }
            let vocabulary = member.vocabulary.unwrap_or(speaker);
            let wording = wordings[vocabulary as usize].get_or_init(|| {
                let (event, args) = tell(vocabulary, notice)?;
                let broadcast = Broadcast::new(Arc::clone(&self.namespace), event, args);
                Some(broadcast.delivery(notice.delivery()))
            });
            if let Some(broadcast) = wording {
                member.socket.deliver(broadcast);
            }
        }
    }

    /// Gives the pages that keep a list of nicknames the new one.
    fn tell_nicknames(&self) {
        let list = OnceCell::new();
        for member in self.members.values() {
            if member.vocabulary != Some(Vocabulary::Nicknames) {
                continue;
            }
            member.socket.deliver(list.get_or_init(|| {
                let names = self.members.values().filter_map(|member| member.name.as_ref());
                let all: Map<String, Value> =
                    names.map(|name| (name.to_string(), name.as_str().into())).collect();
                Broadcast::new(Arc::clone(&self.namespace), "nicknames", vec![all.into()])
            }));
        }
    }
}

fn refuse_login(socket: &Socket, vocabulary: Vocabulary, denied: &Denied, ack: Option<Responder>) {
    debug!(sid = %socket.session().sid(), reason = denied.reason, "login refused");
    match vocabulary {
        // To the 0.9 page, true means that it has to choose another.
        Vocabulary::Nicknames => answer(ack, || vec![Value::Bool(true)]),
        _ => {
            socket.emit("login error", [denied.event()]);
            answer(ack, || vec![denied.answer()]);
        }
    }
}

fn answer(ack: Option<Responder>, args: impl FnOnce() -> Vec<Value>) {
    if let Some(ack) = ack {
        ack.send(args());
    }
}

/// The ids of recent messages, oldest forgotten first.
#[derive(Debug, Default)]
struct RecentIds {
    known: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl RecentIds {
    /// False if it is there already.
    fn insert(&mut self, id: String) -> bool {
        let id: Arc<str> = id.into();
        if !self.known.insert(Arc::clone(&id)) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_for_a_while() {
        let mut recent = RecentIds::default();
        assert!(recent.insert("a".into()));
        assert!(!recent.insert("a".into()));
        for n in 0..REMEMBERED_IDS {
            assert!(recent.insert(n.to_string()));
        }
        assert!(recent.insert("a".into()), "forgotten by now");
        assert_eq!(recent.known.len(), REMEMBERED_IDS);
    }
}
