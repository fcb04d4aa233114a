//! Self-healing: who sees WebSockets open and die is not offered them for a while.

use std::time::Duration;

use tokio::time::Instant;

/// How long and when `websocket` is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healing {
    /// WebSockets of one network in a row that have to fail; 0 switches all of this off.
    pub failures: u32,
    /// The first rest; each that follows without a success in between is twice as long.
    pub rest: Duration,
    pub longest: Duration,
}

impl Default for Healing {
    fn default() -> Self {
        Healing { failures: 5, rest: Duration::from_secs(600), longest: Duration::from_secs(3600) }
    }
}

/// Failures further apart than this have nothing to do with each other.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

/// How a WebSocket fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fared {
    /// It carried something from the client, and lived or was closed in good order.
    Well,
    /// It opened, and nothing ever came from the client.
    Silent,
    /// It broke within [`YOUNG`].
    DiedYoung,
}

/// A WebSocket that breaks before this was not worth the upgrade.
pub const YOUNG: Duration = Duration::from_secs(30);

/// What is known of one network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    failures: u32,
    rests: u32,
    until: Option<Instant>,
    last: Option<Instant>,
}

/// What a WebSocket's fate has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `websocket` is withheld for that long.
    Withheld(Duration),
    /// It is offered again.
    Recovered,
}

impl Health {
    /// Takes note of how a WebSocket fared.
    pub fn note(&mut self, fared: Fared, now: Instant, healing: &Healing) -> Option<Change> {
        if self.last.is_some_and(|last| now - last > MEMORY) {
            *self = Health::default();
        }
        if fared == Fared::Well {
            let was = std::mem::take(self);
            return (was.rests > 0).then_some(Change::Recovered);
        }
        self.last = Some(now);
        if healing.failures == 0 || self.withheld(now).is_some() {
            return None;
        }
        self.failures += 1;
        // After a rest one try is enough to know.
        if self.failures < healing.failures && self.rests == 0 {
            return None;
        }
        let rest = healing.rest.saturating_mul(1 << self.rests.min(16)).min(healing.longest);
        self.failures = 0;
        self.rests += 1;
        self.until = Some(now + rest);
        Some(Change::Withheld(rest))
    }

    /// How much longer `websocket` is withheld, if it is.
    pub fn withheld(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether there is nothing worth remembering.
    pub fn is_blank(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now - last > MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn rests_grow_and_end() {
        let (healing, mut now, mut health) =
            (Healing::default(), Instant::now(), Health::default());
        for _ in 0..2 {
            assert_eq!(health.note(Fared::Silent, now, &healing), None);
            assert_eq!(health.note(Fared::DiedYoung, now, &healing), None);
        }
        assert_eq!(health.withheld(now), None);
        let mut rests = Vec::new();
        for _ in 0..5 {
            let Some(Change::Withheld(rest)) = health.note(Fared::Silent, now, &healing) else {
                panic!("it should rest")
            };
            rests.push(rest.as_secs() / 60);
            assert_eq!(health.withheld(now), Some(rest));
            assert_eq!(health.note(Fared::Silent, now, &healing), None, "one rest at a time");
            now += rest;
            assert_eq!(health.withheld(now), None, "then it is tested again");
        }
        assert_eq!(rests, [10, 20, 40, 60, 60]);
        assert_eq!(health.note(Fared::Well, now, &healing), Some(Change::Recovered));
        assert!(health.is_blank(now));
        assert_eq!(health.note(Fared::Well, now, &healing), None);
    }

    #[test]
    fn a_success_in_between_counts() {
        let (healing, now, mut health) = (Healing::default(), Instant::now(), Health::default());
        for _ in 0..10 {
            assert_eq!(health.note(Fared::DiedYoung, now, &healing), None);
            assert_eq!(health.note(Fared::Silent, now, &healing), None);
            assert_eq!(health.note(Fared::Well, now, &healing), None);
        }
    }

    #[test]
    fn off_and_forgetful() {
        let (now, mut health) = (Instant::now(), Health::default());
        let off = Healing { failures: 0, ..Healing::default() };
        assert!((0..100).all(|_| health.note(Fared::Silent, now, &off).is_none()));
        let healing = Healing::default();
        let mut health = Health::default();
        for _ in 1..healing.failures {
            health.note(Fared::Silent, now, &healing);
        }
        let later = now + MEMORY + MINUTE;
        assert!(health.is_blank(later));
        assert_eq!(health.note(Fared::Silent, later, &healing), None);
    }
}
