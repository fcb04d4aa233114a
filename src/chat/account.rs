//! People with an account, as the chat has them: found out as a client enters a room.

use std::iter;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::COOKIE;
use serde_json::json;
use tracing::debug;

use super::name::Name;
use super::resume::PersonId;
use super::roles::{Rank, Roles};
use super::sanctions::{Measure, Sanctions};
use crate::accounts::{Account, Accounts, Refusal};
use crate::policy::{ACCOUNT, RoomNames, RoomRules};
use crate::socketio::{ConnectError, Socket};

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub person: PersonId,
    /// What the token calls the person, as far as it can be a name.
    pub name: Name,
    pub roles: Roles,
    /// Until when that holds.
    pub expires: SystemTime,
}

impl Verified {
    fn new(account: &Account) -> Self {
        let names = [&account.name, &*account.person].map(Name::verified);
        let [name, subject] = names;
        Verified {
            person: PersonId::of_account(&account.person),
            name: name.or(subject).unwrap_or_else(Name::nobody),
            roles: Roles::new(iter::once(ACCOUNT).chain(account.roles.iter().map(String::as_str))),
            expires: account.expires,
        }
    }
}

/// Whether a client may enter its room as whom its token names. Who that is stays with the socket.
///
/// # Errors
/// The reason, in the words for programs and for people.
pub async fn admit(accounts: &Accounts, socket: &Socket) -> Result<(), ConnectError> {
    let room = Arc::clone(socket.namespace().name());
    let checked = match accounts.check(token(accounts, socket).as_deref()).await {
        Ok(None) => return Ok(()),
        Ok(Some(account)) if may_enter(&account, &room) => {
            socket.extensions().insert(Arc::new(Verified::new(&account)));
            return Ok(());
        }
        Ok(Some(_)) => ("room-not-allowed", "your token is not good for this room".to_owned()),
        Err(refusal) => (refusal.reason(), refusal.to_string()),
    };
    let (reason, message) = checked;
    debug!(sid = %socket.session().sid(), room = &*room, reason, "not let in");
    Err(refused(reason, &message))
}

/// Whether a client's address, or who it is by its token, is not banned.
///
/// # Errors
/// If it is.
pub fn check_banned(sanctions: &Sanctions, socket: &Socket) -> Result<(), ConnectError> {
    let account = socket.extensions().get::<Arc<Verified>>();
    let author = account.as_ref().map(|account| account.person.author());
    let address = socket.session().handshake().bucket;
    let rank = account.map_or(Rank::Nobody, |account| account.roles.rank());
    match sanctions.find(Measure::Ban, author.as_deref(), address, rank) {
        None => Ok(()),
        Some(ban) => Err(refused("banned", &ban.error().message)),
    }
}

/// Whether the rules of its room let a client read there.
///
/// # Errors
/// If not, or not without an account.
pub fn check_reader(rules: &RoomRules, socket: &Socket) -> Result<(), ConnectError> {
    let rule = rules.of(socket.namespace().name());
    let roles = socket.extensions().get::<Arc<Verified>>().map(|it| it.roles.clone());
    let has = |role: &str| roles.as_ref().is_some_and(|roles| roles.has(role));
    match rule.may_read(has) || has(Roles::MODERATOR) || has(Roles::ADMIN) {
        true => Ok(()),
        false => Err(refused("room-not-allowed", "this room is for others")),
    }
}

fn refused(reason: &str, message: &str) -> ConnectError {
    let data = json!({ "reason": reason, "message": message });
    ConnectError::new(message).data(data)
}

/// Checks the token by which somebody goes on who is there already.
///
/// # Errors
/// If it is not good, or somebody else's.
pub async fn renew(
    accounts: &Accounts,
    now: &Verified,
    token: &str,
) -> Result<Arc<Verified>, Refusal> {
    let account = accounts.check(Some(token)).await?.ok_or(Refusal::Invalid)?;
    let new = Verified::new(&account);
    match new.person == now.person {
        true => Ok(Arc::new(new)),
        false => Err(accounts.refuse(Refusal::Person)),
    }
}

/// The token that a client brings: in its auth payload or the query of the namespace, in the query of its session,
/// or in a cookie.
fn token(accounts: &Accounts, socket: &Socket) -> Option<String> {
    if let Some(token) = socket.auth()["token"].as_str() {
        return Some(token.to_owned());
    }
    let handshake = socket.handshake();
    let mut query = form_urlencoded::parse(handshake.query.as_bytes());
    if let Some((_, token)) = query.find(|(key, _)| key == "token") {
        return Some(token.into_owned());
    }
    let lines = handshake.headers().get_all(COOKIE).iter();
    accounts.in_cookie(lines.filter_map(|line| line.to_str().ok())).map(str::to_owned)
}

/// Whether a token is good for a room. `*` means the lobby, too, which is `/`.
fn may_enter(account: &Account, namespace: &str) -> bool {
    let Some(rooms) = &account.rooms else { return true };
    match namespace {
        "/" => rooms.iter().any(|room| matches!(&**room, "/" | "*")),
        // One by one: what is no name of a room is none, and the others count.
        _ => rooms.iter().any(|room| {
            RoomNames::parse([&**room]).is_ok_and(|names| names.room(namespace).is_some())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, rooms: Option<&[&str]>) -> Account {
        let rooms = rooms.map(|rooms| rooms.iter().map(|room| (*room).to_owned()).collect());
        Account {
            person: "https://id.example|7".into(),
            name: name.to_owned(),
            roles: vec!["team".to_owned()],
            rooms,
            expires: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn whatever_a_token_calls_somebody_it_is_a_name_here() {
        for (said, name) in [
            ("Ann", "Ann"),
            ("  Ann ✓ ✔", "Ann"),
            ("Ann: admin", "Ann admin"),
            ("Ann\u{202e}\n", "Ann"),
            ("\u{200b}", "https://id.example|7"),
            (&"x".repeat(100), &"x".repeat(32)),
        ] {
            let verified = Verified::new(&account(said, None));
            assert_eq!((verified.name.as_str(), verified.name.is_verified()), (name, true));
            assert!(verified.roles.has("team"));
        }
    }

    #[test]
    fn a_token_may_be_for_some_rooms() {
        let enters = |rooms: Option<&[&str]>, room: &str| may_enter(&account("Ann", rooms), room);
        for room in ["/", "/support"] {
            assert!(enters(None, room) && enters(Some(&["*"]), room) && !enters(Some(&[]), room));
        }
        let some = Some(&["/", "support", "team-*", "no room"][..]);
        for (room, may) in [
            ("/", true),
            ("/support", true),
            ("/team-1", true),
            ("/sales", false),
            ("/no room", false),
        ] {
            assert_eq!(enters(some, room), may, "{room}");
        }
        assert!(!enters(Some(&["support"]), "/"));
    }
}
