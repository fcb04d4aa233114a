//! Logging in and leaving: who takes a name, and who gives it up.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::away::Absent;
use super::history::author;
use super::rename::Before;
use super::speech::Pending;
use super::stock::tell_stock_page;
use super::{Room, answer, log_refused};
use crate::chat::chat_protocol::{ChatProtocol, JoinOptions};
use crate::chat::error::ChatError;
use crate::chat::name::{BadName, Name};
use crate::chat::resume::PersonId;
use crate::chat::roster::Told;
use crate::chat::words::{self, Mark};
use crate::engine::Sid;
use crate::socketio::{Ack, Flags, Socket};

/// Somebody who is about to have a name.
#[derive(Debug)]
pub(super) struct Entrant {
    pub sid: Sid,
    pub chat_protocol: ChatProtocol,
    pub name: Name,
    /// The name that was asked for, of a page that cannot be told that it is taken: it gets a number.
    pub numbered: Option<Name>,
    /// Who that is, if the client says so by a token, or wants one.
    pub person: Option<PersonId>,
    /// What nodes call that person under this name.
    pub alias: Option<Arc<str>>,
    pub wants_token: bool,
    /// Of our page: the last message that it has.
    pub after: Option<String>,
    /// It has come back to its session, and knows that.
    pub quiet: bool,
    /// Set if it is a rename: the name and alias that the member has until then.
    pub before: Option<Before>,
    pub ack: Ack,
}

impl Room {
    pub(super) fn login(
        &mut self,
        sid: &Sid,
        chat_protocol: ChatProtocol,
        name: &Value,
        options: &JoinOptions,
        ack: Ack,
        settled: oneshot::Sender<()>,
    ) {
        let Some(member) = self.members.get(sid) else { return };
        let socket = member.socket.clone();
        if let Err(error) = self.allow_notice(&socket, "many logins") {
            if chat_protocol == ChatProtocol::Nicknames {
                // To this page, the answer alone would mean that the name is taken.
                socket.emit("announcement", &error.message);
            }
            return refuse_login(&socket, chat_protocol, &error, ack);
        }
        if let Some(member) = self.members.get(sid).filter(|member| member.name.is_some()) {
            // The example has ignored a second login since 1.4.
            if chat_protocol == ChatProtocol::Nicknames {
                return answer(ack, || vec![Value::Bool(false)]);
            }
            let said = self.login_answer(member, options.wants_token());
            return match member.is_page() {
                true => self.answer_with_history(sid, said, options.after.clone(), ack),
                false => answer(ack, || vec![said]),
            };
        }
        let account = self.members.get(sid).and_then(|member| member.account.clone());
        let name = match &account {
            // Whatever the page asks for.
            Some(account) => Ok(account.name.clone()),
            None => self.check_name(name),
        };
        let name = match name {
            Ok(name) => name,
            Err(error) => {
                if error.reason == "reserved" {
                    tell_stock_page(&socket, Some(chat_protocol), &error, &ack);
                }
                return refuse_login(&socket, chat_protocol, &error, ack);
            }
        };
        let person = match &account {
            Some(account) => Some(account.person.clone()),
            None => self.person(&socket, options),
        };
        let author = match &person {
            Some(person) => person.author(),
            None => author(None, Some(&name)),
        };
        if let Some(ban) = self.banned(&socket, Some(&author), self.rank_of(sid)) {
            let error = ban.error();
            tell_stock_page(&socket, Some(chat_protocol), &error, &ack);
            refuse_login(&socket, chat_protocol, &error, ack);
            return socket.disconnect(false);
        }
        let alias = self.alias_of(&socket, person.as_ref(), &name);
        let wants_token = options.wants_token();
        // Who asks for an acknowledgement can be told that a name is taken.
        let is_told = options.page || ack.is_wanted() || chat_protocol == ChatProtocol::Nicknames;
        // Who has an account cannot choose another name.
        let is_told = is_told && account.is_none();
        let (sid, after) = (*sid, options.after.clone());
        let mut entrant = Entrant {
            sid,
            chat_protocol,
            name,
            numbered: None,
            person,
            alias,
            wants_token,
            after,
            quiet: false,
            before: None,
            ack,
        };
        let is_free = account.is_some() || !self.is_of_account(&entrant.name);
        if !self.is_unique(chat_protocol) && is_free {
            return self.enter(entrant);
        }
        if !is_told {
            entrant.numbered = Some(entrant.name.clone());
        }
        if self.is_taken(&entrant.name, entrant.alias.as_ref()) && !self.give_number(&mut entrant) {
            let Entrant { name, ack, .. } = entrant;
            return refuse_login(&socket, chat_protocol, &taken(&name), ack);
        }
        self.claim(entrant, settled);
    }

    pub(super) fn check_name(&self, name: &Value) -> Result<Name, ChatError> {
        let name = Name::new(name.as_str().ok_or(BadName::NoText)?)?;
        if self.is_reserved(&name) {
            return Err(ChatError::new(
                "reserved",
                format!("{name} is reserved: choose another name"),
            ));
        }
        Ok(name)
    }

    /// Who a client is: whom its token names, or somebody new if it wants a token. The token is in the options of
    /// the login, in the auth payload or in the query.
    fn person(&self, socket: &Socket, options: &JoinOptions) -> Option<PersonId> {
        let auth = socket.auth()["resume"].as_str();
        let query = query_token(&socket.handshake().query);
        let token = options.token.as_deref().or(auth).or(query.as_deref());
        let key = self.resume_key()?;
        let known = token.and_then(|token| key.person(token, SystemTime::now()));
        match known {
            Some((person, _)) => Some(person),
            None if options.wants_token() => PersonId::random(),
            None => None,
        }
    }

    /// Somebody has a name now.
    pub(super) fn enter(&mut self, entrant: Entrant) {
        if entrant.before.is_some() {
            return self.take_name(entrant);
        }
        let Entrant { sid, chat_protocol, name, numbered, person, alias, .. } = entrant;
        let (wants_token, after, ack) = (entrant.wants_token, entrant.after, entrant.ack);
        let Some(member) = self.members.get(&sid) else { return };
        let socket = member.socket.clone();
        self.take_from_guests(&name);
        let Some(member) = self.members.get_mut(&sid) else { return };
        let back = self.away.back(&name, alias.as_ref(), address_of(&socket));
        member.name = Some(name.clone());
        member.person = person;
        member.alias = alias.clone();
        let is_there = self.aliases.has(alias.as_ref());
        self.users += 1;
        self.aliases.came(alias.as_ref());
        if let Some(back) = &back {
            self.users -= 1;
            self.aliases.went(back.alias.as_ref());
        } else {
            self.make_room(&name, alias.as_ref());
        }
        self.count_people();
        let users = self.people();
        if let Some(on_login) = self.shared.on_login.get() {
            on_login.tell(sid, name.written());
        }
        match chat_protocol {
            ChatProtocol::Nicknames => answer(ack, || vec![Value::Bool(false)]),
            _ => {
                match numbered.filter(|wanted| *wanted != name) {
                    None if entrant.quiet => {}
                    None => socket.emit("login", json!({ "numUsers": users })),
                    // The stock page shows whose name that is: it has no better words for it.
                    Some(_) => {
                        let user = json!({ "numUsers": users, "username": name.written() });
                        socket.emit("login", &user);
                        socket.emit("user joined", &user);
                    }
                }
                if let Some(member) = self.members.get(&sid) {
                    let said = self.login_answer(member, wants_token);
                    match member.is_page() {
                        true => self.answer_with_history(&sid, said, after, ack),
                        false => answer(ack, || vec![said]),
                    }
                }
            }
        }
        let spoken = self.members.get(&sid).and_then(|member| member.chat_protocol);
        self.replay(&sid, spoken.unwrap_or(chat_protocol));
        self.remember(&sid);
        if self.alone && chat_protocol == ChatProtocol::Users {
            socket.emit_shared(&self.status());
        }
        let since = socket.handshake().issued;
        if is_there || back.is_some() {
            self.say_quietly(&sid, Some((&name, since, alias)));
        } else {
            self.say_change(&sid, words::JOINED, name, alias, chat_protocol, since);
        }
        if let Some(back) = back {
            self.say_quietly(&back.sid, None);
        }
        self.say_early(&sid);
    }

    /// What a login is answered with.
    pub(super) fn login_answer(&self, member: &super::Member, wants_token: bool) -> Value {
        let name = member.name.as_ref();
        let username = name.map(Name::as_str);
        let mut answer = json!({ "ok": true, "username": username, "numUsers": self.people() });
        if !member.roles.is_empty() {
            answer["roles"] = member.roles.iter().collect();
        }
        if name.is_some_and(Name::is_verified) {
            answer["verified"] = true.into();
        }
        if wants_token
            && let (Some(person), Some(name), Some(key)) = (&member.person, name, self.resume_key())
            && !person.has_account()
        {
            answer["token"] = key.token(person, name, SystemTime::now()).into();
        }
        answer
    }

    /// Tells all nodes that somebody of this one came or went.
    pub(super) fn say_change(
        &mut self,
        sid: &Sid,
        word: &'static str,
        name: Name,
        alias: Option<Arc<str>>,
        chat_protocol: ChatProtocol,
        since: u64,
    ) {
        let users = self.people();
        let (seq, rank) = (self.roster.as_mut().map(|roster| roster.next_seq()), self.rank_of(sid));
        let pending = Pending::new(*sid, word, Some(name.clone()), chat_protocol);
        self.say(pending, Flags::default(), |node, _| {
            let mark = Mark { node: Arc::clone(node), seq, since, alias, rank };
            words::change(word, &name, users, &mark)
        });
    }

    /// Tells the other nodes of a connection that came, or went, beside another of the same person: to people
    /// nothing has changed.
    pub(super) fn say_quietly(&mut self, sid: &Sid, came: Option<(&Name, u64, Option<Arc<str>>)>) {
        let rank = self.rank_of(sid);
        let Some(roster) = &mut self.roster else { return };
        let (seq, node) = (roster.next_seq(), Arc::clone(roster.me()));
        let came = came.map(|(name, since, alias)| (name.written().to_owned(), since, alias, rank));
        self.tell(&Told::Beside { node, seq, id: sid.as_str().into(), came });
    }

    /// A member's connection is gone. `meant`: not by accident.
    pub(super) fn leave(&mut self, sid: &Sid, meant: bool) {
        let Some(member) = self.members.swap_remove(sid) else { return };
        self.expiries.forget(*sid, member.due);
        self.forget(&member, meant);
        let by = author(Some(&member), member.name.as_ref());
        let Some(name) = member.name else { return };
        let (wait, is_there) = (self.leave_delay(), self.aliases.count(member.alias.as_ref()) > 1);
        let is_gone = meant || wait.is_zero();
        if member.types && (is_there || !is_gone) {
            // Nobody hears that they leave, for a while at least.
            self.say_typing(sid, false, name.clone(), by);
        }
        let absent = Absent {
            sid: *sid,
            name,
            alias: member.alias,
            address: address_of(&member.socket),
            chat_protocol: member.chat_protocol.unwrap_or(ChatProtocol::Users),
            since: member.socket.handshake().issued,
        };
        if is_gone || is_there {
            return self.gone(absent);
        }
        if let Some(other) = self.away.put(absent, wait, Instant::now()) {
            self.gone(other);
        }
    }

    /// Somebody of this node has left.
    pub(super) fn gone(&mut self, absent: Absent) {
        let Absent { sid, name, alias, chat_protocol, .. } = absent;
        self.users -= 1;
        self.aliases.went(alias.as_ref());
        self.count_people();
        match self.aliases.has(alias.as_ref()) {
            true => self.say_quietly(&sid, None),
            false => self.say_change(&sid, words::LEFT, name, alias, chat_protocol, 0),
        }
    }

    /// Somebody on another node has had a member's name for longer: the member is without one again.
    pub(super) fn lose_name(&mut self, sid: &Sid) {
        for absent in self.away.take(|absent| absent.sid == *sid) {
            self.gone(absent);
        }
        let Some(member) = self.members.get_mut(sid) else { return };
        let Some(name) = member.name.take() else { return };
        let alias = member.alias.take();
        let chat_protocol = member.chat_protocol.unwrap_or(ChatProtocol::Users);
        let (socket, error) = (member.socket.clone(), taken(&name));
        log_refused(&socket, "name", &error);
        match chat_protocol {
            ChatProtocol::Nicknames => socket.emit("announcement", &error.message),
            _ => socket.emit("login error", error.event_arg()),
        }
        self.gone(Absent { sid: *sid, name, alias, address: None, chat_protocol, since: 0 });
    }
}

pub(super) fn taken(name: &Name) -> ChatError {
    ChatError::new("taken", format!("{name} is taken"))
}

/// The client's own address, or that of its network.
pub(super) fn address_of(socket: &Socket) -> Option<IpAddr> {
    socket.handshake().remote
}

/// The token in a query.
fn query_token(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == "resume").map(|(_, token)| token.into_owned())
}

pub(super) fn refuse_login(
    socket: &Socket,
    chat_protocol: ChatProtocol,
    error: &ChatError,
    ack: Ack,
) {
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
