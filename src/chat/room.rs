//! The chat room: one task that owns all members and handles everything in one order.

use std::cell::OnceCell;
use std::hash::RandomState;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, trace};

use super::ChatSettings;
use super::chat_protocol::{CHAT_PROTOCOLS, ChatProtocol, Command, NICKNAMES, Notice};
use super::error::ChatError;
use super::name::{BadName, Name, listed};
use super::on_login::OnLogin;
use super::rate_limits::{Kind, RateLimits};
use super::recent::RecentIds;
use super::stats::ChatStats;
use super::text::queued_len;
use crate::engine::{Cork, Sid};
use crate::socketio::{Ack, Args, Broadcast, Socket};

/// What the room handles.
#[derive(Debug)]
pub(super) enum Input {
    Connected(Socket),
    Command {
        sid: Sid,
        chat_protocol: ChatProtocol,
        command: Command,
        ack: Ack,
    },
    /// An event that no chat page sends, and that asks for an acknowledgement.
    Unknown {
        sid: Sid,
        event: String,
        ack: Ack,
    },
    Disconnected(Sid),
    /// Answered with whether the session was a member's.
    Remove {
        sid: Sid,
        answer: oneshot::Sender<bool>,
    },
}

/// Inputs handled between two flushes.
const BATCH: usize = 64;

/// The task of a [`Chat`](super::Chat).
#[derive(Debug)]
pub struct RoomTask {
    room: Room,
    inbox: mpsc::Receiver<Input>,
}

impl RoomTask {
    pub(super) fn new(
        settings: ChatSettings,
        inbox: mpsc::Receiver<Input>,
        stats: Arc<ChatStats>,
    ) -> Self {
        RoomTask { room: Room::new(settings, stats), inbox }
    }

    /// Has a function called with each name that somebody takes.
    #[must_use]
    pub fn on_login(mut self, told: impl Fn(Sid, &str) + Send + 'static) -> Self {
        self.room.on_login = Some(OnLogin::new(told));
        self
    }

    /// Runs until the chat is dropped.
    pub async fn run(mut self) {
        let RoomTask { room, inbox } = &mut self;
        let mut batch = Vec::with_capacity(BATCH);
        // Coalesces the packets queued for one session between two flushes into one write.
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
            cork.hold(|| {
                batch.drain(..).for_each(|input| room.handle(input));
                room.send_nicknames();
            });
            cork.release().await;
        }
    }
}

#[derive(Debug)]
struct Member {
    socket: Socket,
    /// That of the first command; `None` before it.
    chat_protocol: Option<ChatProtocol>,
    /// `None` before the login.
    name: Option<Name>,
}

#[derive(Debug)]
struct Room {
    settings: ChatSettings,
    stats: Arc<ChatStats>,
    namespace: Arc<str>,
    members: IndexMap<Sid, Member>,
    /// Members with a name.
    users: usize,
    recent: RecentIds,
    rate_limits: RateLimits,
    /// Makes the conflation keys of notices about a name.
    name_hasher: RandomState,
    /// Whether somebody logged in or left since the last list of nicknames was sent.
    nicknames_due: bool,
    on_login: Option<OnLogin>,
}

impl Room {
    fn new(settings: ChatSettings, stats: Arc<ChatStats>) -> Self {
        let rate_limits = RateLimits::new(&settings, Arc::clone(&stats));
        Room {
            stats,
            settings,
            namespace: Arc::from("/"),
            members: IndexMap::new(),
            users: 0,
            recent: RecentIds::default(),
            rate_limits,
            name_hasher: RandomState::new(),
            nicknames_due: false,
            on_login: None,
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Connected(socket) => {
                let sid = socket.session().sid();
                self.members.insert(sid, Member { chat_protocol: None, name: None, socket });
            }
            Input::Disconnected(sid) => self.leave(&sid),
            Input::Remove { sid, answer } => {
                let member = self.members.get(&sid);
                member.inspect(|member| member.socket.disconnect(true));
                let _ = answer.send(member.is_some());
            }
            Input::Unknown { sid, event, ack } => self.unknown_event(&sid, &event, ack),
            Input::Command { sid, chat_protocol, command, ack } => {
                let Some(member) = self.members.get_mut(&sid) else { return };
                member.chat_protocol.get_or_insert(chat_protocol);
                match command {
                    Command::Join(name) => self.join(&sid, chat_protocol, &name, ack),
                    Command::Message { text, id } => {
                        self.message(&sid, chat_protocol, &text, id, ack);
                    }
                    Command::Typing => self.typing(&sid, true),
                    Command::StopTyping => self.typing(&sid, false),
                    Command::Who => self.question(&sid, ack, Room::who),
                    Command::Latency => self.question(&sid, ack, |_| Vec::new()),
                }
            }
        }
    }

    fn join(&mut self, sid: &Sid, chat_protocol: ChatProtocol, name: &Value, ack: Ack) {
        let Some(member) = self.members.get(sid) else { return };
        let socket = member.socket.clone();
        if let Err(error) = self.allow_notice(&socket, "many logins") {
            if chat_protocol == ChatProtocol::Nicknames {
                // To this page, the answer alone would mean that the name is taken.
                socket.emit("announcement", &error.message);
            }
            return refuse_login(&socket, chat_protocol, &error, ack);
        }
        if let Some(name) = self.members.get(sid).and_then(|member| member.name.as_ref()) {
            // The example has ignored a second login since 1.4.
            let name = name.as_str();
            return answer(ack, || match chat_protocol {
                ChatProtocol::Nicknames => vec![Value::Bool(false)],
                _ => vec![json!({ "ok": true, "username": name, "numUsers": self.users })],
            });
        }
        let name = match self.check_name(chat_protocol, name) {
            Ok(name) => name,
            Err(error) => return refuse_login(&socket, chat_protocol, &error, ack),
        };
        self.users += 1;
        self.stats.set_people(self.users);
        let users = self.users;
        if let Some(member) = self.members.get_mut(sid) {
            member.name = Some(name.clone());
        }
        if let Some(on_login) = &self.on_login {
            on_login.tell(*sid, name.as_str());
        }
        match chat_protocol {
            ChatProtocol::Nicknames => answer(ack, || vec![Value::Bool(false)]),
            _ => {
                socket.emit("login", json!({ "numUsers": users }));
                let username = name.as_str();
                answer(ack, || {
                    vec![json!({ "ok": true, "username": username, "numUsers": users })]
                });
            }
        }
        self.broadcast_except(sid, chat_protocol, &Notice::Joined { name: &name, users });
        self.nicknames_due = true;
    }

    fn check_name(&self, chat_protocol: ChatProtocol, name: &Value) -> Result<Name, ChatError> {
        let name = Name::new(name.as_str().ok_or(BadName::NoText)?)?;
        let unique = !self.settings.duplicate_names || chat_protocol == ChatProtocol::Nicknames;
        if unique && self.members.values().any(|member| member.name.as_ref() == Some(&name)) {
            return Err(ChatError::new("taken", format!("{name} is taken")));
        }
        Ok(name)
    }

    fn message(
        &mut self,
        sid: &Sid,
        chat_protocol: ChatProtocol,
        text: &Value,
        id: Option<String>,
        ack: Ack,
    ) {
        let now = Instant::now();
        let checked = self.check_message(sid, chat_protocol, text, now);
        let Some(member) = self.members.get(sid) else { return };
        let text = match checked {
            Ok(text) => text,
            Err(error) => {
                self.stats.message_refused(&error);
                log_refused(&member.socket, "message", &error);
                match chat_protocol {
                    ChatProtocol::Nicknames => {
                        member.socket.emit("announcement", &error.message);
                    }
                    _ => member.socket.emit("message error", error.event_arg()),
                }
                return answer(ack, || vec![error.ack_arg()]);
            }
        };
        let is_new = id.is_none_or(|id| self.recent.insert(member.name.as_ref(), &id));
        self.stats.message(is_new);
        if !is_new {
            // The message was handled before, and only the acknowledgement was lost.
            return answer(ack, || vec![json!({ "ok": true })]);
        }
        trace!(%sid, text, "message");
        let (socket, name) = (member.socket.clone(), member.name.clone());
        let notice = Notice::Message { name: name.as_ref(), text };
        self.broadcast_except(sid, chat_protocol, &notice);
        if chat_protocol == ChatProtocol::Bare
            && let Some((event, args)) = chat_protocol.render(&Notice::Message { name: None, text })
        {
            // The tutorial's page shows its own messages only when the server sends them back.
            socket.emit(event, Args::from(args));
        }
        answer(ack, || vec![json!({ "ok": true })]);
    }

    fn check_message<'a>(
        &mut self,
        sid: &Sid,
        chat_protocol: ChatProtocol,
        text: &'a Value,
        now: Instant,
    ) -> Result<&'a str, ChatError> {
        let gone = || ChatError::new("gone", "the connection is gone");
        let member = self.members.get(sid).ok_or_else(gone)?;
        if member.name.is_none() && chat_protocol != ChatProtocol::Bare {
            return Err(ChatError::not_joined());
        }
        let text = text.as_str().ok_or_else(|| ChatError::new("no text", "a message is a text"))?;
        let max = self.settings.message_max.min(self.rate_limits.longest_message());
        if text.len() > max {
            return Err(ChatError::new("too long", format!("a message has at most {max} bytes")));
        }
        // Every reader gets the name with the text.
        let bytes =
            queued_len(text) + member.name.as_ref().map_or(0, |name| queued_len(name.as_str()));
        let costs = [(Kind::Messages, 1), (Kind::Bytes, bytes)];
        self.rate_limits.take(member.socket.session(), &costs, now).map_err(|error| {
            let what = if error.kind == Kind::Bytes { "much text" } else { "many messages" };
            ChatError::rate_limited(what, &error)
        })?;
        Ok(text)
    }

    /// Applies the rate limit to a command that is not a message.
    fn allow_notice(&mut self, socket: &Socket, what: &str) -> Result<(), ChatError> {
        let taken = self.rate_limits.take(socket.session(), &[(Kind::Notices, 1)], Instant::now());
        taken.map_err(|error| ChatError::rate_limited(what, &error))
    }

    fn typing(&mut self, sid: &Sid, typing: bool) {
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
        let notice = match typing {
            true => Notice::Typing { name: &name },
            false => Notice::StopTyping { name: &name },
        };
        self.broadcast_except(sid, ChatProtocol::Users, &notice);
    }

    /// Answers a question within the rate limit.
    fn question(&mut self, sid: &Sid, ack: Ack, reply: impl FnOnce(&Self) -> Vec<Value>) {
        let Some(member) = self.members.get(sid) else { return };
        let socket = member.socket.clone();
        if let Err(error) = self.allow_notice(&socket, "many questions") {
            log_refused(&socket, "question", &error);
            return answer(ack, || vec![error.ack_arg()]);
        }
        answer(ack, || reply(self));
    }

    /// Says within the rate limit that there is no such event.
    fn unknown_event(&mut self, sid: &Sid, event: &str, ack: Ack) {
        let Some(member) = self.members.get(sid) else { return };
        let socket = member.socket.clone();
        let error = match self.allow_notice(&socket, "many events") {
            Ok(()) => ChatError::unknown_event(event),
            Err(error) => {
                log_refused(&socket, "event", &error);
                error
            }
        };
        ack.send(error.ack_arg());
    }

    fn who(&self) -> Vec<Value> {
        let people = self.listed_names();
        let more = self.users > people.len();
        vec![json!({ "numUsers": self.users, "people": people, "more": more })]
    }

    /// The members' names, cut to the bounds of a list.
    fn listed_names(&self) -> Vec<&str> {
        listed(self.members.values().filter_map(|member| member.name.as_ref()))
    }

    fn leave(&mut self, sid: &Sid) {
        let Some(member) = self.members.swap_remove(sid) else { return };
        let Some(name) = member.name else { return };
        self.users -= 1;
        self.stats.set_people(self.users);
        let chat_protocol = member.chat_protocol.unwrap_or(ChatProtocol::Users);
        self.broadcast_except(sid, chat_protocol, &Notice::Left { name: &name, users: self.users });
        self.nicknames_due = true;
    }

    /// Sends a notice to all members but `except`, to each in its chat protocol, or in `default` if that
    /// is not known yet. The event of each protocol is made once, and encoded once for each dialect.
    fn broadcast_except(&self, except: &Sid, default: ChatProtocol, notice: &Notice<'_>) {
        let broadcasts: [OnceCell<Option<Broadcast>>; CHAT_PROTOCOLS] = Default::default();
        for (sid, member) in &self.members {
            if sid == except {
                continue;
            }
            let chat_protocol = member.chat_protocol.unwrap_or(default);
            let broadcast = broadcasts[chat_protocol as usize].get_or_init(|| {
                let (event, args) = chat_protocol.render(notice)?;
                let broadcast = Broadcast::new(Arc::clone(&self.namespace), event, args);
                Some(broadcast.delivery(notice.delivery(&self.name_hasher)))
            });
            if let Some(broadcast) = broadcast {
                member.socket.emit_shared(broadcast);
            }
        }
    }

    /// Sends the list of nicknames to the pages that keep one, if it has changed.
    fn send_nicknames(&mut self) {
        if !std::mem::take(&mut self.nicknames_due) {
            return;
        }
        let list = OnceCell::new();
        for member in self.members.values() {
            if member.chat_protocol != Some(ChatProtocol::Nicknames) {
                continue;
            }
            member.socket.emit_shared(list.get_or_init(|| {
                let names = self.listed_names().into_iter();
                let all: Map<String, Value> =
                    names.map(|name| (name.to_owned(), name.into())).collect();
                let broadcast =
                    Broadcast::new(Arc::clone(&self.namespace), "nicknames", vec![all.into()]);
                broadcast.delivery(NICKNAMES)
            }));
        }
    }
}

fn refuse_login(socket: &Socket, chat_protocol: ChatProtocol, error: &ChatError, ack: Ack) {
    log_refused(socket, "login", error);
    match chat_protocol {
        // To the 0.9 page, true means that the name is taken.
        ChatProtocol::Nicknames => answer(ack, || vec![Value::Bool(true)]),
        _ => {
            socket.emit("login error", error.event_arg());
            answer(ack, || vec![error.ack_arg()]);
        }
    }
}

fn log_refused(socket: &Socket, what: &str, error: &ChatError) {
    let (sid, label, reason) = (socket.session().sid(), error.label, &error.message);
    debug!(%sid, label, what, reason, "refused");
}

fn answer(ack: Ack, args: impl FnOnce() -> Vec<Value>) {
    if ack.is_wanted() {
        ack.send(Args::from(args()));
    }
}
