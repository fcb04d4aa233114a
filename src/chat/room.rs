//! The chat room: one task that owns all members of this node and handles everything in one order.
//!
//! Whatever members hear of each other goes by the namespace's adapter, in the words of the stock example:
//! the adapter gives it its place, tells other nodes, and gives it back. What comes back, of this node and
//! of others alike, is rendered for each member (`deliver.rs`). Long because each input and each part of the room's
//! state has its line here.

mod aliases;
mod arriving;
mod away;
mod back;
mod claims;
mod common;
mod deliver;
mod early;
mod elsewhere;
mod enforcement;
mod entries;
mod expiry;
mod farewell;
mod gaps;
mod history;
mod listing;
mod login;
mod moderation;
mod names;
mod open_rooms;
mod questions;
mod receipts;
mod rename;
mod replay;
mod slow;
mod speech;
mod stock;
mod task;
mod waiting;
mod whereabouts;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::RandomState;
use std::sync::{Arc, Weak};
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::account::Verified;
use super::arrivals::Arrivals;
use super::chat_protocol::{BadId, ChatProtocol, Command, JoinOptions};
use super::error::ChatError;
use super::name::{Name, listed};
use super::rate_limits::Kind;
use super::recent::RecentIds;
use super::resume::PersonId;
use super::roles::Roles;
use super::rooms::LOBBY;
use super::roster::{Roster, Told};
use super::shared::Shared;
use super::stats::Counted;
use super::verified_mark;
use crate::accounts::Refusal;
use crate::engine::Sid;
use crate::policy::RoomRule;
use crate::socketio::{Ack, Adapter, Args, Replay, Socket};
use crate::store::RoomLog;
use aliases::Aliases;
use away::Away;
use claims::Claim;
use common::Common;
use early::Early;
use elsewhere::Found;
use gaps::Gaps;
use history::Reads;
use open_rooms::RoomsTold;
use questions::Change;
use slow::Slow;
use speech::Pending;

pub(super) use elsewhere::{log_missed, tick_time};
pub(super) use history::{is_gap, now};
pub(super) use moderation::Reply;
pub(super) use names::reserved;
pub(super) use task::RoomTask;

/// What the room handles.
#[derive(Debug)]
pub(super) enum Input {
    /// `settled` is dropped when it is decided what name a client has that came back to its session.
    Connected {
        socket: Socket,
        settled: oneshot::Sender<()>,
    },
    /// Answered with who a member is by its token, if it may be looked at now.
    WhoIs {
        sid: Sid,
        answer: oneshot::Sender<Option<Arc<Verified>>>,
    },
    /// A page has sent another token: what came of it.
    Renewed {
        sid: Sid,
        new: Result<Arc<Verified>, Refusal>,
        ack: Ack,
    },
    /// Somebody wants a name. `settled` is dropped when it is decided.
    Login {
        sid: Sid,
        chat_protocol: ChatProtocol,
        name: Value,
        options: JoinOptions,
        ack: Ack,
        settled: oneshot::Sender<()>,
    },
    /// A member wants another name. `settled` is dropped when it is decided.
    Rename {
        sid: Sid,
        name: Value,
        ack: Ack,
        settled: oneshot::Sender<()>,
    },
    Command {
        sid: Sid,
        chat_protocol: ChatProtocol,
        command: Command,
        ack: Ack,
    },
    /// A member, or else an operator, wants to do what moderators do.
    Moderate {
        by: moderation::By,
        asked: Box<Value>,
        reply: Reply,
    },
    /// A message that a moderator wants to do something about.
    Judged(Box<moderation::Judged>),
    /// Somebody is banned: perhaps a member.
    Enforce,
    /// To be told to other nodes.
    Tell(Told),
    /// An event that no chat page sends, and that asks for an acknowledgement.
    Unknown {
        sid: Sid,
        event: String,
        ack: Ack,
    },
    Disconnected {
        sid: Sid,
        /// The client said so, or the server: it is not by accident.
        meant: bool,
    },
    /// Answered with whether the session was a member's.
    Remove {
        sid: Sid,
        answer: oneshot::Sender<bool>,
    },
    /// Something of other nodes waits.
    Arrived,
    /// Time has passed; in a cluster only.
    Tick,
    /// What a member has said before it had a name, or has not been told, has waited for long enough.
    Late(Sid),
    /// A message that the store does not know.
    New(Pending),
    /// A message that a member wants to change.
    Change(Box<Change>),
    /// Who was looked for on other nodes, and is there.
    Found(Found),
    /// What others said that was missed; `None` if it cannot be read now.
    Replayed(Option<Box<Replay>>),
    /// This node leaves the cluster. The sender is dropped when that is told.
    Farewell(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Member {
    socket: Socket,
    /// The last number of the log when it connected: from then on it hears what is said.
    came_at: u64,
    /// Messages wait for its first word.
    waits: bool,
    /// That of the first command; `None` before it.
    chat_protocol: Option<ChatProtocol>,
    /// `None` before the login.
    name: Option<Name>,
    /// Who that is, if the client has a token, or gets one.
    person: Option<PersonId>,
    /// What nodes call that person under the name.
    alias: Option<Arc<str>>,
    /// What waits for the name.
    early: Vec<Early>,
    /// What that person may do: none for a guest.
    roles: Roles,
    /// Who that is by a token of an identity provider.
    account: Option<Arc<Verified>>,
    /// When that is looked at again.
    due: Option<expiry::Due>,
    /// The others were told that they type.
    types: bool,
    /// Why their last message was refused, if they were told in the words of a stock page, and none was taken since.
    told: Option<&'static str>,
}

impl Member {
    /// Whether the history has that word for the person.
    fn is(&self, author: &str) -> bool {
        self.person.as_ref().is_some_and(|person| person.is_author(author))
    }

    fn is_page(&self) -> bool {
        self.chat_protocol == Some(ChatProtocol::Page)
    }
}

#[derive(Debug)]
struct Room {
    shared: Arc<Shared>,
    /// Its part of the chat's numbers.
    counted: Counted,
    namespace: Arc<str>,
    /// What holds in it.
    rules: RoomRule,
    slow: Slow,
    /// The slow mode that a moderator has set.
    slow_set: Option<Duration>,
    /// How long clients may be away and have their session back; zero if not at all.
    recovery: Duration,
    adapter: Option<Weak<dyn Adapter>>,
    /// For answers of other nodes.
    inbox: mpsc::WeakSender<Input>,
    arrivals: Arc<Arrivals>,
    members: IndexMap<Sid, Member>,
    /// Members with a name, and who is away.
    users: usize,
    /// Whose connection was lost a moment ago.
    away: Away,
    /// People who are there more than once.
    aliases: Aliases,
    /// People of other nodes who have a rank.
    ranked: whereabouts::Ranked,
    /// Whose token is to be looked at, and when.
    expiries: expiry::Expiries,
    /// What was sent and has not come back yet.
    pending: VecDeque<Pending>,
    recent: RecentIds,
    /// Makes the conflation keys of notices about a name.
    name_hasher: RandomState,
    /// Whether somebody logged in or left since the last list of nicknames was sent.
    nicknames_due: bool,
    /// Who is on other nodes; `None` without a cluster.
    roster: Option<Roster>,
    /// The name of this node once it has left the cluster. What people say until they are gone still reaches the others.
    parted: Option<Arc<str>>,
    /// How many messages people of this node have said to others.
    said: u64,
    gaps: Gaps,
    /// What was said; `None` until it is open.
    log: Option<RoomLog>,
    /// If it is the same on all nodes of a cluster.
    common: Option<Common>,
    reads: Reads,
    /// Names that other nodes are asked about.
    claims: HashMap<u64, Claim>,
    last_claim: u64,
    /// Whom moderators look for on other nodes.
    searches: Vec<whereabouts::Search>,
    /// What the lobby has told other nodes of the rooms that are open here.
    rooms_told: RoomsTold,
    /// Other nodes cannot be reached.
    alone: bool,
    /// Other nodes are being asked for their people.
    looking: bool,
    looked: Option<Instant>,
}

impl Room {
    fn new(
        namespace: &Arc<str>,
        shared: Arc<Shared>,
        inbox: mpsc::WeakSender<Input>,
        arrivals: Arc<Arrivals>,
    ) -> Self {
        let is_lobby = **namespace == *LOBBY;
        Room {
            counted: Counted::new(Arc::clone(&shared.stats), is_lobby),
            rules: shared.settings.room_rules.of(namespace),
            slow: Slow::default(),
            slow_set: None,
            recovery: Duration::ZERO,
            shared,
            namespace: Arc::clone(namespace),
            adapter: None,
            inbox,
            arrivals,
            members: IndexMap::new(),
            users: 0,
            pending: VecDeque::new(),
            recent: RecentIds::default(),
            away: Away::default(),
            aliases: Aliases::default(),
            ranked: whereabouts::Ranked::default(),
            expiries: expiry::Expiries::default(),
            name_hasher: RandomState::new(),
            nicknames_due: false,
            roster: None,
            parted: None,
            said: 0,
            gaps: Gaps::default(),
            log: None,
            common: None,
            reads: Reads::default(),
            claims: HashMap::new(),
            last_claim: 0,
            searches: Vec::new(),
            rooms_told: RoomsTold::default(),
            alone: false,
            looking: false,
            looked: None,
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Connected { socket, settled } => {
                // Who comes hears nothing of before.
                self.arrivals.set_unheard(false);
                self.settle();
                let sid = socket.session().sid();
                let account = socket.extensions().remove::<Arc<Verified>>();
                let roles = account.as_ref().map(|it| it.roles.clone()).unwrap_or_default();
                let is_new = !socket.is_recovered();
                let member = Member {
                    socket,
                    came_at: self.top(),
                    waits: false,
                    chat_protocol: None,
                    name: None,
                    person: None,
                    alias: None,
                    early: Vec::new(),
                    roles,
                    account,
                    due: None,
                    types: false,
                    told: None,
                };
                self.members.insert(sid, member);
                self.expect_expiry(sid);
                match is_new {
                    true => self.wait_for_word(&sid),
                    false => self.come_back(&sid, settled),
                }
            }
            Input::Disconnected { sid, meant } => self.leave(&sid, meant),
            Input::Remove { sid, answer } => {
                let member = self.members.get(&sid);
                member.inspect(|member| member.socket.disconnect(true));
                let _ = answer.send(member.is_some());
            }
            Input::Moderate { by, asked, reply } => self.moderate(by, &asked, reply),
            Input::Judged(judged) => self.judged(*judged),
            Input::Enforce => self.enforce(),
            Input::Tell(told) => self.tell(&told),
            Input::Unknown { sid, event, ack } => self.unknown_event(&sid, &event, ack),
            Input::WhoIs { sid, answer } => {
                let _ = answer.send(self.who_is(&sid));
            }
            Input::Renewed { sid, new, ack } => self.renewed(&sid, new, ack),
            Input::Login { sid, chat_protocol, name, options, ack, settled } => {
                let Some(member) = self.members.get_mut(&sid) else { return };
                match options.page {
                    true => member.chat_protocol = Some(ChatProtocol::Page),
                    false => _ = member.chat_protocol.get_or_insert(chat_protocol),
                }
                self.login(&sid, chat_protocol, &name, &options, ack, settled);
            }
            Input::Rename { sid, name, ack, settled } => self.rename(&sid, &name, ack, settled),
            Input::Command { sid, chat_protocol, command, ack } => {
                let Some((at, _, member)) = self.members.get_full_mut(&sid) else { return };
                let is_first = member.chat_protocol.is_none();
                let is_early = chat_protocol == ChatProtocol::Users
                    && member.name.is_none()
                    && (is_first || !member.early.is_empty());
                member.chat_protocol.get_or_insert(chat_protocol);
                // That page has no login.
                if is_first && chat_protocol == ChatProtocol::Bare {
                    self.replay(&sid, chat_protocol);
                    self.remember(&sid);
                }
                match command {
                    // They come by themselves: they may have to wait for others.
                    Command::Join(..) | Command::Rename(_) | Command::Token(_) => {}
                    Command::Message { id: Err(BadId), .. } => {
                        self.refuse_id(at, chat_protocol, ack);
                    }
                    Command::Message { text, id: Ok(id) } => {
                        let unheld = match is_early {
                            true => self.hold(&sid, text, id, ack).err(),
                            false => Some((text, id, ack)),
                        };
                        if let Some((text, id, ack)) = unheld {
                            self.message(at, chat_protocol, text, id, ack);
                        }
                    }
                    Command::Moderate(asked) => {
                        self.moderate(Some(sid), &asked, Reply::Page(ack));
                    }
                    Command::Typing => self.typing(&sid, true),
                    Command::StopTyping => self.typing(&sid, false),
                    Command::Who => {
                        let is_page = self.members.get(&sid).is_some_and(Member::is_page);
                        self.question(&sid, ack, |room| room.who(is_page));
                    }
                    Command::Ask(asked) => self.asked(&sid, asked, ack),
                    Command::Account => self.question(&sid, ack, |room| room.account_of(&sid)),
                    Command::Latency => self.question(&sid, ack, |_| Vec::new()),
                }
            }
            Input::Arrived => {}
            Input::Tick => self.tick(),
            Input::Late(sid) => {
                self.say_early(&sid);
                self.waited(&sid);
            }
            Input::Found(found) => self.found(&found),
            Input::New(pending) => self.pass_on(pending),
            Input::Change(change) => self.change(*change),
            Input::Replayed(replay) => self.replay_came(replay),
            Input::Farewell(told) => {
                self.farewell();
                drop(told);
            }
        }
        self.settle();
        self.told_all();
    }

    /// How many people there are, on all nodes.
    fn people(&self) -> usize {
        let elsewhere = self.roster.as_ref().map_or(0, |roster| roster.count(Instant::now()));
        (self.users + elsewhere).saturating_sub(self.aliases.beyond())
    }

    /// Somebody of this node came or went.
    fn count_people(&mut self) {
        self.counted.set_people(self.users);
        self.counted.set_in_room(self.people());
        self.nicknames_due = true;
    }

    /// Applies the rate limit to a command that is not a message.
    fn allow_notice(&mut self, socket: &Socket, what: &str) -> Result<(), ChatError> {
        let taken = self.shared.take(socket.session(), &[(Kind::Notices, 1)]);
        taken.map_err(|error| ChatError::rate_limited(what, &error))
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

    /// Who a client is by its token, before it logs in.
    fn account_of(&self, sid: &Sid) -> Vec<Value> {
        let account = self.members.get(sid).and_then(|member| member.account.as_ref());
        let no = || ChatError::new("guest", "there is no account").ack_arg();
        vec![account.map_or_else(no, |it| json!({ "ok": true, "username": it.name.as_str() }))]
    }

    /// Who is there. Our page gets names without the mark of who has an account, and a list of these.
    fn who(&self, is_page: bool) -> Vec<Value> {
        let (people, users) = (self.listed_names(), self.people());
        let more = users > people.len();
        if !is_page {
            return vec![json!({ "numUsers": users, "people": people, "more": more })];
        }
        let all = people.into_iter().map(verified_mark::split);
        let (people, verified): (Vec<_>, Vec<_>) = all.unzip();
        let of_account = people.iter().zip(verified).filter(|(_, it)| *it).map(|(name, _)| *name);
        let verified: Vec<&str> = of_account.collect();
        let mut said =
            json!({ "numUsers": users, "people": people, "more": more, "verified": verified });
        let here = self.members.values();
        let here = here.filter_map(|it| Some((it.name.as_ref()?, it.roles.rank())));
        let elsewhere = self.roster.iter().flat_map(|roster| roster.of_peers());
        let ranks = here.chain(elsewhere.map(|person| (&person.name, person.rank)));
        let roles: Map<String, Value> = ranks
            .filter_map(|(name, rank)| Some((name.as_str().to_owned(), rank.shown()?.into())))
            .take(people.len())
            .collect();
        if !roles.is_empty() {
            said["roles"] = roles.into();
        }
        vec![said]
    }

    /// The names of all people, cut to the bounds of a list.
    fn listed_names(&self) -> Vec<&str> {
        let here = self.named().map(|(_, name, _, alias)| (name, alias));
        let elsewhere = self.roster.iter().flat_map(|roster| roster.people());
        let all = here.chain(elsewhere.map(|person| (&person.name, person.alias.as_ref())));
        // Who is there more than once is listed once.
        let mut known = HashSet::new();
        let is_new = |alias: Option<&Arc<str>>| {
            self.aliases.count(alias) < 2 || known.insert(alias.cloned())
        };
        let mut is_new = is_new;
        listed(all.filter(move |(_, alias)| is_new(*alias)).map(|(name, _)| name))
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
