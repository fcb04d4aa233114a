//! Who has just lost the connection: for a moment they count as there, and if they are back by then, nobody hears
//! of it.
//!
//! Nothing here has a clock: time comes in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chat::chat_protocol::ChatProtocol;
use crate::chat::name::Name;
use crate::chat::resume::is_of_person;
use crate::engine::Sid;

/// People who are away at a time. Of more it is told at once.
const MAX_AWAY: usize = 10_000;

/// Somebody whose connection is gone.
#[derive(Debug, Clone)]
pub(super) struct Absent {
    pub sid: Sid,
    pub name: Name,
    /// That of a person with a token, or of a session that its client may come back to.
    pub alias: Option<Arc<str>>,
    pub address: Option<IpAddr>,
    pub chat_protocol: ChatProtocol,
    /// When the session opened, in milliseconds since 1970.
    pub since: u64,
}

impl Absent {
    /// Whether that is who it was: the same person or session, or, without a token, the same name at the same address.
    fn is(&self, name: &Name, alias: Option<&Arc<str>>, address: Option<IpAddr>) -> bool {
        match &self.alias {
            Some(own) if alias == Some(own) => true,
            Some(own) if is_of_person(own) => false,
            _ => self.name == *name && address.is_some() && self.address == address,
        }
    }
}

/// Those who are away, and until when.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// In the order of time.
    all: Vec<(Instant, Absent)>,
}

impl Away {
    /// Somebody's connection is gone. Returns who has to be told of now, because there are too many.
    pub fn put(&mut self, absent: Absent, time: Duration, now: Instant) -> Option<Absent> {
        self.all.push((now + time, absent));
        (self.all.len() > MAX_AWAY).then(|| self.all.remove(0).1)
    }

    /// Somebody has come who has been here a moment ago.
    pub fn back(
        &mut self,
        name: &Name,
        alias: Option<&Arc<str>>,
        address: Option<IpAddr>,
    ) -> Option<Absent> {
        let at = self.all.iter().position(|(_, absent)| absent.is(name, alias, address))?;
        Some(self.all.remove(at).1)
    }

    /// Who is not waited for any longer, in the order in which they went.
    pub fn due(&mut self, now: Instant) -> Vec<Absent> {
        let due = self.all.partition_point(|(until, _)| *until <= now);
        self.all.drain(..due).map(|(_, absent)| absent).collect()
    }

    /// When somebody is due next.
    pub fn next(&self) -> Option<Instant> {
        self.all.first().map(|(until, _)| *until)
    }

    /// Takes out all of whom that is true.
    pub fn take(&mut self, is_it: impl Fn(&Absent) -> bool) -> Vec<Absent> {
        let taken = self.all.extract_if(.., |(_, absent)| is_it(absent));
        taken.map(|(_, absent)| absent).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Absent> {
        self.all.iter().map(|(_, absent)| absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(3);

    fn absent(sid: u8, name: &str, alias: Option<&str>, address: u8) -> Absent {
        Absent {
            sid: Sid::parse(&format!("AAAAAAAAAAAAAAAAAA{sid:02}")).unwrap(),
            name: Name::new(name).unwrap(),
            alias: alias.map(Arc::from),
            address: Some([127, 0, 0, address].into()),
            chat_protocol: ChatProtocol::Users,
            since: 1,
        }
    }

    #[test]
    fn who_is_back_in_time_was_never_away() {
        let (mut away, now) = (Away::default(), Instant::now());
        let [here, there] = [1, 2].map(|address| Some(IpAddr::from([127, 0, 0, address])));
        let (ann, bob) = (Name::new("ann").unwrap(), Name::new("bob").unwrap());
        let (one, two): (Arc<str>, Arc<str>) = ("1".into(), "2".into());
        away.put(absent(1, "ann", None, 1), WAIT, now);
        away.put(absent(2, "bob", Some("1"), 1), WAIT, now + WAIT / 3);
        for (name, alias, address) in [
            (&ann, None, there),
            (&ann, None, None),
            (&Name::new("Ann").unwrap(), None, here),
            (&bob, None, here),
            (&bob, Some(&two), here),
        ] {
            assert!(away.back(name, alias, address).is_none(), "{name} {alias:?} {address:?}");
        }
        assert_eq!(away.back(&ann, None, here).unwrap().name, ann);
        assert!(away.back(&ann, None, here).is_none(), "once");
        assert_eq!(away.back(&bob, Some(&one), there).unwrap().name, bob);
        // A session is known by the name and the address as well: its client may not come back to it.
        let session: Arc<str> = "~1".into();
        for (alias, address, is_back) in [
            (None, there, false),
            (Some(&one), there, false),
            (None, here, true),
            (Some(&session), there, true),
        ] {
            away.put(absent(3, "cid", Some("~1"), 1), WAIT, now);
            let back = away.back(&Name::new("cid").unwrap(), alias, address);
            assert_eq!(back.is_some(), is_back, "{alias:?} {address:?}");
            away.take(|_| true);
        }
        assert!(away.next().is_none() && away.due(now + WAIT * 2).is_empty());
    }

    #[test]
    fn who_is_not_is_told_of_in_time_and_in_order() {
        let (mut away, now) = (Away::default(), Instant::now());
        for (number, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
            let at = now + WAIT / 3 * number as u32;
            assert!(away.put(absent(number as u8, name, None, 1), WAIT, at).is_none());
        }
        assert_eq!(away.next(), Some(now + WAIT));
        assert!(away.due(now + WAIT - Duration::from_millis(1)).is_empty());
        let names = |all: Vec<Absent>| -> Vec<_> {
            all.into_iter().map(|it| it.name.as_str().to_owned()).collect()
        };
        assert_eq!(names(away.due(now + WAIT)), ["ann"]);
        assert_eq!(names(away.due(now + WAIT * 2)), ["bob", "cid"]);
        assert!(away.due(now + WAIT * 3).is_empty());
    }

    #[test]
    fn there_is_room_for_so_many() {
        let (mut away, now) = (Away::default(), Instant::now());
        for number in 0..MAX_AWAY {
            let one = absent(0, &format!("n{number}"), None, 1);
            assert!(away.put(one, WAIT, now).is_none());
        }
        let first = away.put(absent(0, "last", None, 1), WAIT, now).unwrap();
        assert_eq!(first.name.as_str(), "n0");
        assert_eq!(away.iter().count(), MAX_AWAY);
        let taken = away.take(|absent| absent.name.as_str() == "n7");
        assert_eq!((taken.len(), away.iter().count()), (1, MAX_AWAY - 1));
    }
}
