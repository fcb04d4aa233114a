//! Who is muted or banned, in all rooms: people and addresses, each until a time.
//!
//! They are kept in the log of the lobby, so that they hold after a restart.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tracing::warn;

use super::error::ChatError;
use super::roles::Rank;
use super::rooms::LOBBY;
use crate::policy::network::rate_limit_key;
use crate::store::{Record, RoomLog, Store};

/// Sanctions at once.
const MAX: usize = 5000;
/// How long one may last.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// With what the keys of their records begin.
const KEY: &str = "sanction:";
/// Bytes of the word for a person, of a name, and of who has done it.
const MAX_TEXT: usize = 1200;

/// What somebody may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Say anything.
    Mute,
    /// Be there.
    Ban,
}

impl Measure {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Measure::Mute => "mute",
            Measure::Ban => "ban",
        }
    }
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// The author's word in the history.
    Person(String),
    /// An address of IPv4, or the first of a /64 of IPv6.
    Address(IpAddr),
}

impl Whom {
    /// All whom rate limits count together with that address.
    pub fn address(address: IpAddr) -> Self {
        Whom::Address(rate_limit_key(address))
    }
}

/// That somebody may not do something until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sanction {
    pub measure: Measure,
    pub whom: Whom,
    /// In milliseconds since 1970.
    pub until: u64,
    /// What the person was called.
    pub name: Option<String>,
    /// Who has done it.
    pub by: String,
    /// The rank of who has done it.
    #[serde(default = "highest")]
    pub rank: Rank,
}

/// That of sanctions of which no rank was noted.
fn highest() -> Rank {
    Rank::Operator
}

impl Sanction {
    /// Whether it holds for somebody of that rank whom it is about. It was perhaps not known as it was put in force:
    /// who was meant may have been away, or on another node.
    fn holds_for(&self, rank: Rank) -> bool {
        match self.whom {
            Whom::Person(_) => rank < self.rank,
            // Somebody has to be able to lift it.
            Whom::Address(_) => rank == Rank::Nobody,
        }
    }

    /// By which it is lifted: 16 letters, digits, `-` and `_`.
    pub fn id(&self) -> String {
        let whom = match &self.whom {
            Whom::Person(author) => author.clone(),
            Whom::Address(address) => format!("address {address}"),
        };
        let said = format!("{}\n{whom}", self.measure.word());
        let digest = ring::digest::digest(&ring::digest::SHA256, said.as_bytes());
        BASE64.encode(&digest.as_ref()[..12])
    }

    /// As moderators see it: not the address.
    pub fn shown(&self) -> Value {
        let is_address = matches!(self.whom, Whom::Address(_));
        json!({
            "id": self.id(), "action": self.measure.word(), "username": self.name,
            "address": is_address, "until": self.until, "by": self.by,
        })
    }

    /// What is told of it to whom it is about.
    pub fn error(&self) -> ChatError {
        let minutes = self.until.saturating_sub(now()).div_ceil(60_000);
        let (reason, what) = match self.measure {
            Measure::Mute => ("muted", "you cannot say anything here"),
            Measure::Ban => ("banned", "you are banned from this chat"),
        };
        ChatError::new(reason, format!("{what} for {minutes} min"))
    }

    fn is_well_formed(&self) -> bool {
        let author = match &self.whom {
            Whom::Person(author) => author.len(),
            Whom::Address(_) => 0,
        };
        let name = self.name.as_ref().map_or(0, String::len);
        author.max(name).max(self.by.len()) <= MAX_TEXT
    }
}

type All = HashMap<(Measure, Whom), Sanction>;

/// Those that are in force.
#[derive(Debug, Default)]
pub struct Sanctions {
    /// Where they are kept; `None` within if that cannot be had.
    log: OnceCell<Option<RoomLog>>,
    all: Mutex<All>,
}

impl Sanctions {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads those that are kept, the first time.
    pub async fn open(&self, store: &Store) {
        self.log
            .get_or_init(|| async {
                let log = match store.open(LOBBY).await {
                    Ok(log) => log,
                    Err(error) => {
                        warn!(%error, "bans cannot be read: those from before are not in force");
                        return None;
                    }
                };
                let kept = log.records().into_iter().filter(|it| it.key.starts_with(KEY));
                let kept = kept.filter_map(|it| serde_json::from_str::<Sanction>(&it.value).ok());
                self.lock().extend(kept.map(|it| ((it.measure, it.whom.clone()), it)));
                Some(log)
            })
            .await;
    }

    /// Puts one in force, in the place of one that is the same but for the time.
    ///
    /// # Errors
    /// If there are too many, or it cannot be kept.
    pub fn put(&self, sanction: Sanction) -> Result<(), ChatError> {
        let key = (sanction.measure, sanction.whom.clone());
        let mut all = self.lock();
        if all.len() >= MAX && !all.contains_key(&key) {
            let now = now();
            all.retain(|_, it| it.until > now);
            if all.len() >= MAX {
                let message = format!("{MAX} people and addresses are muted or banned already");
                return Err(ChatError::new("too many", message));
            }
        }
        if !sanction.is_well_formed() {
            return Err(ChatError::new("too long", "a name in it is too long"));
        }
        if let Some(Some(log)) = self.log.get() {
            let value = serde_json::to_string(&sanction).unwrap_or_default();
            let record = Record {
                key: format!("{KEY}{}", sanction.id()),
                value,
                expires: Some(sanction.until),
            };
            log.put(record).map_err(|error| ChatError::new("not saved", error.to_string()))?;
        }
        all.insert(key, sanction);
        Ok(())
    }

    /// Ends one by its id.
    pub fn lift(&self, id: &str) -> Option<Sanction> {
        let mut all = self.lock();
        let key = all.values().find(|it| it.id() == id).map(|it| (it.measure, it.whom.clone()))?;
        let lifted = all.remove(&key);
        if let Some(Some(log)) = self.log.get() {
            // If it stays there, it is in force again after a restart, until its time is over.
            let _ = log.remove(&format!("{KEY}{id}"));
        }
        lifted
    }

    /// The one that is in force for a person of that rank, or for an address.
    pub fn find(
        &self,
        measure: Measure,
        person: Option<&str>,
        address: IpAddr,
        rank: Rank,
    ) -> Option<Sanction> {
        let all = self.lock();
        if all.is_empty() {
            return None;
        }
        let person = person.map(|author| Whom::Person(author.to_owned()));
        let found = person.into_iter().chain([Whom::address(address)]);
        let now = now();
        let mut found = found.filter_map(|whom| all.get(&(measure, whom)));
        found.find(|it| it.until > now && it.holds_for(rank)).cloned()
    }

    /// All that are in force, those first that last longest.
    pub fn list(&self) -> Vec<Sanction> {
        let now = now();
        let mut all: Vec<_> = self.lock().values().filter(|it| it.until > now).cloned().collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.until));
        all
    }
}

/// The time, in milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreSettings;

    fn sanction(measure: Measure, whom: Whom, seconds: u64) -> Sanction {
        let (name, by) = (Some("Ann".to_owned()), "Mod".to_owned());
        let (until, rank) = (now() + seconds * 1000, Rank::Moderator);
        Sanction { measure, whom, until, name, by, rank }
    }

    #[tokio::test]
    async fn they_hold_until_their_time_is_over_and_after_a_restart() {
        let store = Store::memory(StoreSettings::default());
        let sanctions = Sanctions::default();
        sanctions.open(&store).await;
        let person = |author: &str| Whom::Person(author.to_owned());
        let [here, there]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|it| it.parse().unwrap());
        let net: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff"].map(|it| it.parse().unwrap());
        sanctions.put(sanction(Measure::Ban, person("a:x|1"), 60)).unwrap();
        sanctions.put(sanction(Measure::Mute, Whom::address(net[0]), 60)).unwrap();
        sanctions.put(sanction(Measure::Ban, Whom::address(there), 0)).unwrap();
        let again = Sanctions::default();
        again.open(&store).await;
        for sanctions in [&sanctions, &again] {
            let find = |measure, person, address| {
                sanctions.find(measure, person, address, Rank::Nobody).is_some()
            };
            assert!(find(Measure::Ban, Some("a:x|1"), here));
            assert!(!find(Measure::Ban, Some("a:x|2"), here) && !find(Measure::Ban, None, here));
            assert!(!find(Measure::Mute, Some("a:x|1"), here), "it is another measure");
            assert!(find(Measure::Mute, None, net[1]), "it is the same network");
            assert!(!find(Measure::Ban, None, there), "its time is over");
            assert_eq!(sanctions.list().len(), 2);
        }
        let id = again.list().into_iter().find(|it| it.measure == Measure::Ban).unwrap().id();
        assert!(again.lift(&id).is_some() && again.lift(&id).is_none());
        let last = Sanctions::default();
        last.open(&store).await;
        assert!(last.find(Measure::Ban, Some("a:x|1"), here, Rank::Nobody).is_none());
    }

    #[test]
    fn they_hold_for_lower_ranks_than_that_of_who_has_put_them_in_force() {
        use Rank::{Admin, Moderator, Nobody, Operator};
        let address: IpAddr = [10, 0, 0, 1].into();
        let (person, at) = (Whom::Person("a:x|1".to_owned()), Whom::address(address));
        for (whom, by, below) in [
            (&person, Nobody, Nobody),
            (&person, Moderator, Moderator),
            (&person, Admin, Admin),
            (&person, Operator, Operator),
            (&at, Moderator, Moderator),
            (&at, Operator, Moderator),
        ] {
            for measure in [Measure::Mute, Measure::Ban] {
                let sanctions = Sanctions::default();
                let it = Sanction { rank: by, ..sanction(measure, whom.clone(), 60) };
                sanctions.put(it).unwrap();
                for rank in [Nobody, Moderator, Admin] {
                    let found = sanctions.find(measure, Some("a:x|1"), address, rank);
                    assert_eq!(found.is_some(), rank < below, "{whom:?} by {by:?}: {rank:?}");
                }
            }
        }
        let mut old = serde_json::to_value(sanction(Measure::Ban, person, 60)).unwrap();
        old.as_object_mut().unwrap().remove("rank");
        assert_eq!(serde_json::from_value::<Sanction>(old).unwrap().rank, Operator);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let sanctions = Sanctions::default();
        for number in 0..MAX {
            let seconds = if number == 7 { 0 } else { 60 };
            let whom = Whom::Person(number.to_string());
            sanctions.put(sanction(Measure::Ban, whom, seconds)).unwrap();
        }
        let more = |name: &str| sanction(Measure::Ban, Whom::Person(name.to_owned()), 60);
        sanctions.put(more("one")).unwrap();
        assert_eq!(sanctions.put(more("two")).unwrap_err().reason, "too many");
        sanctions.put(more("one")).unwrap();
        let long = "x".repeat(MAX_TEXT + 1);
        assert_eq!(Sanctions::default().put(more(&long)).unwrap_err().reason, "too long");
    }
}
