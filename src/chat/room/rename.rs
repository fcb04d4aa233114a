//! Renames a member who is in the room, in all tabs of that person, on all nodes.
//!
//! Other nodes are told of a join of a connection that they know already. The new name replaces the old one
//! at once, so nobody is seen to leave.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::history::author;
use super::login::{Entrant, address_of, taken};
use super::speech::Pending;
use super::{Member, Room, answer, log_refused};
use crate::chat::chat_protocol::{ChatProtocol, Notice};
use crate::chat::error::ChatError;
use crate::chat::name::Name;
use crate::chat::roster::{Change, Person};
use crate::chat::words::{self, Mark};
use crate::engine::Sid;
use crate::socketio::{Ack, Flags};

/// The name and alias of a member before a rename.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub name: Name,
    pub alias: Option<Arc<str>>,
}

impl Room {
    /// A member wants another name.
    pub(super) fn rename(
        &mut self,
        sid: &Sid,
        name: &Value,
        ack: Ack,
        settled: oneshot::Sender<()>,
    ) {
        match self.check_rename(sid, name) {
            Err(error) => self.refuse_rename(sid, &error, ack),
            Ok((entrant, before)) if entrant.name == before.name => {
                self.answer_rename(sid, ack);
            }
            Ok((mut entrant, before)) => {
                let is_free = !self.is_of_account(&entrant.name);
                entrant.ack = ack;
                if !self.is_unique(entrant.chat_protocol) && is_free {
                    return self.enter(entrant);
                }
                if self.is_taken_by_others(&entrant.name, entrant.alias.as_ref(), sid, &before) {
                    return self.refuse_rename(sid, &taken(&entrant.name), entrant.ack);
                }
                self.claim(entrant, settled);
            }
        }
    }

    fn check_rename(&mut self, sid: &Sid, name: &Value) -> Result<(Entrant, Before), ChatError> {
        let gone = || ChatError::new("gone", "the connection is gone");
        let socket = self.members.get(sid).ok_or_else(gone)?.socket.clone();
        self.allow_notice(&socket, "many names")?;
        let member = self.members.get(sid).ok_or_else(gone)?;
        let own = member.name.clone().ok_or_else(ChatError::not_joined)?;
        if member.account.is_some() {
            let error = ChatError::new("account", "your name is that of your account");
            return Err(error);
        }
        // A name can be a message.
        self.check_mute(member)?;
        let name = self.check_name(name)?;
        let (person, chat_protocol) = (member.person.clone(), member.chat_protocol);
        let is_by_name = person.is_none();
        let new_author = author(Some(member), Some(&name));
        let ban = self.banned(&socket, Some(&new_author), self.rank_of(sid));
        if let Some(ban) = ban.filter(|_| is_by_name) {
            return Err(ban.error());
        }
        let before = Before { name: own, alias: member.alias.clone() };
        let alias = self.alias_of(&socket, person.as_ref(), &name);
        let entrant = Entrant {
            sid: *sid,
            chat_protocol: chat_protocol.unwrap_or(ChatProtocol::Users),
            name,
            numbered: None,
            person,
            alias,
            wants_token: true,
            after: None,
            quiet: false,
            before: Some(before.clone()),
            ack: Ack::default(),
        };
        Ok((entrant, before))
    }

    /// The member stays who they are.
    pub(super) fn refuse_rename(&self, sid: &Sid, error: &ChatError, ack: Ack) {
        if let Some(member) = self.members.get(sid) {
            log_refused(&member.socket, "name", error);
        }
        answer(ack, || vec![error.ack_arg()]);
    }

    fn answer_rename(&self, sid: &Sid, ack: Ack) {
        if let Some(member) = self.members.get(sid) {
            answer(ack, || vec![self.login_answer(member, true)]);
        }
    }

    /// The name that a member wants is theirs.
    pub(super) fn take_name(&mut self, entrant: Entrant) {
        let Entrant { sid, name, alias, ack, .. } = entrant;
        let Some(member) = self.members.get(&sid) else { return };
        let Some(before) = member.name.clone() else {
            return self.refuse_rename(&sid, &ChatError::not_joined(), ack);
        };
        let before = Before { name: before, alias: member.alias.clone() };
        let address = address_of(&member.socket);
        if let Some(absent) = self.away.back(&name, alias.as_ref(), address) {
            self.gone(absent);
        }
        self.make_room(&name, alias.as_ref());
        // Other tabs of the same person go with it: they come in beside it again.
        let others = self.tabs(&before, &sid);
        others.iter().for_each(|other| self.say_quietly(other, None));
        // In other letters, a name may have the same alias.
        let is_same = alias.is_some() && alias == before.alias;
        let is_there = !is_same && self.aliases.has(alias.as_ref());
        for sid in others.iter().chain([&sid]) {
            self.set_name(sid, &name, alias.clone());
        }
        self.tell_own_tabs(&others, &before.name);
        self.answer_rename(&sid, ack);
        let stays = !is_same && self.aliases.has(before.alias.as_ref());
        self.say_renamed(&sid, before, !stays, !is_there);
        others.iter().for_each(|other| self.say_name(other));
    }

    /// The connections of a person under an earlier name, but for one.
    fn tabs(&self, before: &Before, but: &Sid) -> Vec<Sid> {
        let is_one = |it: &Member| before.alias.is_some() && it.alias == before.alias;
        let others = self.members.iter().filter(|(sid, it)| *sid != but && is_one(it));
        others.map(|(sid, _)| *sid).collect()
    }

    fn set_name(&mut self, sid: &Sid, name: &Name, alias: Option<Arc<str>>) {
        let Some(member) = self.members.get_mut(sid) else { return };
        let old = std::mem::replace(&mut member.alias, alias.clone());
        member.name = Some(name.clone());
        self.aliases.went(old.as_ref());
        self.aliases.came(alias.as_ref());
        self.nicknames_due = true;
        if let Some(on_login) = self.shared.on_login.get() {
            on_login.tell(*sid, name.written());
        }
        self.remember(sid);
    }

    /// Pages that have the name by another tab of the same person take it over.
    fn tell_own_tabs(&self, tabs: &[Sid], from: &Name) {
        for member in tabs.iter().filter_map(|sid| self.members.get(sid)).filter(|it| it.is_page())
        {
            let mut said = self.login_answer(member, true);
            said["from"] = from.as_str().into();
            said["to"] = said["username"].take();
            said["own"] = true.into();
            member.socket.emit("user renamed", said);
        }
    }

    /// Tells the other nodes of a connection of this one under its name; they tell nobody.
    pub(super) fn say_name(&mut self, sid: &Sid) {
        let Some(member) = self.members.get(sid) else { return };
        let (name, alias) = (member.name.clone(), member.alias.clone());
        let since = member.socket.handshake().issued;
        self.say_quietly(sid, name.as_ref().map(|name| (name, since, alias)));
    }

    /// Tells all nodes. Servers of Node hear that somebody left, and somebody joined.
    fn say_renamed(&mut self, sid: &Sid, before: Before, left: bool, joined: bool) {
        let Some(member) = self.members.get(sid) else { return };
        let Some(name) = member.name.clone() else { return };
        let (alias, since) = (member.alias.clone(), member.socket.handshake().issued);
        let protocol = member.chat_protocol.unwrap_or(ChatProtocol::Users);
        let users = self.people();
        if left && self.roster.is_some() {
            let one = [(sid.as_str(), &before.name)];
            let node = self.node_name();
            node.iter().for_each(|node| self.say_for(node, words::LEFT, one.into_iter()));
        }
        let (seq, rank) = (self.roster.as_mut().map(|roster| roster.next_seq()), self.rank_of(sid));
        let mut pending = Pending::new(*sid, words::JOINED, Some(name.clone()), protocol);
        pending.renamed = Some(Renamed { before: before.name, left, joined });
        self.say(pending, Flags::default(), |node, _| {
            let mark = Mark { node: Arc::clone(node), seq, since, alias, rank };
            words::change(words::JOINED, &name, users, &mark)
        });
    }

    /// Tells members that somebody has another name, all but who it is.
    pub(super) fn tell_renamed(
        &self,
        own: Option<&Sid>,
        default: ChatProtocol,
        renamed: &Renamed,
        name: &Name,
        offset: Option<&Arc<str>>,
    ) {
        let Renamed { before, left, joined } = renamed;
        let (except, users) = (own.and_then(|sid| self.members.get_index_of(sid)), self.people());
        let alias = own.and_then(|sid| self.members.get(sid)?.alias.clone());
        let is_own = |it: &Member| alias.is_some() && it.alias == alias && it.is_page();
        let without = users.saturating_sub(usize::from(*joined));
        let left = left.then_some(Notice::Left { name: before, users: without });
        let joined = joined.then_some(Notice::Joined { name, users });
        let tell = |notice: &Notice<'_>, to: &dyn Fn(&Member) -> bool| {
            self.deliver_to(except, default, notice, offset, |it| to(it) && !is_own(it));
        };
        match (left, joined) {
            (Some(left), Some(joined)) => {
                tell(&Notice::Renamed { from: before, to: name }, &Member::is_page);
                for notice in [left, joined] {
                    tell(&notice, &|it| !it.is_page());
                }
            }
            (left, joined) => left.iter().chain(&joined).for_each(|it| tell(it, &|_| true)),
        }
    }

    /// Who left and came by the same connection, of another node, has another name; so have their connections to
    /// this one. Returns by connection who that was, and how many followed.
    pub(super) fn follow_all(&mut self, changes: &[Change]) -> HashMap<Arc<str>, (Person, usize)> {
        let mut left = HashMap::new();
        let mut renamed = HashMap::new();
        for change in changes {
            match change {
                Change::Left(person) => drop(left.insert(Arc::clone(&person.id), person)),
                Change::Joined(person) => {
                    let Some(before) = left.remove(&person.id) else { continue };
                    let count = self.follow(&before.alias, &person.name, &person.alias);
                    renamed.insert(Arc::clone(&person.id), (before.clone(), count));
                }
            }
        }
        renamed
    }

    fn follow(&mut self, from: &Option<Arc<str>>, name: &Name, to: &Option<Arc<str>>) -> usize {
        let mut count = 0;
        let is_one =
            |it: &Member| from.is_some() && it.alias == *from && it.name.as_ref() != Some(name);
        let members = self.members.iter().filter(|(_, it)| is_one(it));
        let tabs: Vec<_> = members.map(|(sid, it)| (*sid, it.name.clone())).collect();
        for (sid, before) in tabs {
            let person = self.members.get(&sid).and_then(|it| it.person.clone());
            let alias = person.and_then(|person| self.alias(&person, name));
            let Some(before) = before.filter(|_| alias == *to) else { continue };
            self.set_name(&sid, name, alias);
            self.tell_own_tabs(&[sid], &before);
            self.say_name(&sid);
            count += 1;
        }
        count
    }
}

/// A change of a name, and what of it is new to others: somebody may have both names by connections to other nodes.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Renamed {
    pub before: Name,
    pub left: bool,
    pub joined: bool,
}
