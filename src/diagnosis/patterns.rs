//! What losses have in common: the signs of a time-out on the way.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::facts::Facts;

/// Networks that are remembered. The one that lost something longest ago makes room.
const NETWORKS: usize = 1024;

/// The latest losses of each network.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    networks: HashMap<IpAddr, Losses>,
    /// In the order in which they were first seen.
    order: VecDeque<IpAddr>,
}

/// Losses of connections in a row that were alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// After how much silence, and how many so.
    silent: (Duration, u32),
    /// After how long in all, and how many so.
    lasted: (Duration, u32),
}

impl Patterns {
    /// A connection of that network was lost. Returns what is alike in it and those before, if
    /// something is.
    pub fn lost(&mut self, network: IpAddr, silent: Duration, lasted: Duration) -> Option<Losses> {
        if !self.networks.contains_key(&network) {
            if self.order.len() == NETWORKS
                && let Some(oldest) = self.order.pop_front()
            {
                self.networks.remove(&oldest);
            }
            self.order.push_back(network);
        }
        let losses = self.networks.entry(network).or_default();
        losses.silent = next(losses.silent, silent);
        losses.lasted = next(losses.lasted, lasted);
        (losses.silent.1 > 1 || losses.lasted.1 > 1).then_some(*losses)
    }
}

impl Losses {
    /// As facts: `cuts`, and what is alike. If both are, nobody can tell whether it was the silence: what is
    /// quiet from its beginning is silent for as long as it lasts.
    pub fn tell(self, facts: &mut Facts) {
        let (name, (time, count)) = match self.silent.1.cmp(&self.lasted.1) {
            Ordering::Greater => ("cuts-silent-ms", self.silent),
            Ordering::Equal => ("cuts-quiet-ms", self.silent),
            Ordering::Less => ("cuts-lasted-ms", self.lasted),
        };
        facts.set("cuts", u64::from(count));
        facts.set(name, time);
    }
}

/// Times that differ by a tenth or less are alike.
fn next((time, count): (Duration, u32), new: Duration) -> (Duration, u32) {
    let alike = time.abs_diff(new) <= time.max(new) / 10;
    if alike && count > 0 { (time, count.saturating_add(1)) } else { (new, 1) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn alike_losses_are_counted_by_network() {
        let mut patterns = Patterns::default();
        let [one, other] = [1u8, 2].map(|n| IpAddr::from(Ipv4Addr::new(192, 0, 2, n)));
        let mut lost = |network, silent: f64, lasted: u32| {
            let mut facts = Facts::default();
            if let Some(losses) = patterns.lost(network, SECOND.mul_f64(silent), SECOND * lasted) {
                losses.tell(&mut facts);
            }
            facts.to_string()
        };
        assert_eq!(lost(one, 5.0, 100), "");
        assert_eq!(lost(other, 5.0, 100), "", "another network is another way");
        assert_eq!(lost(one, 5.4, 300), "cuts=2, cuts-silent-ms=5000");
        assert_eq!(lost(one, 4.6, 700), "cuts=3, cuts-silent-ms=5000");
        assert_eq!(lost(one, 9.0, 720), "cuts=2, cuts-lasted-ms=700000");
        assert_eq!(lost(one, 20.0, 740), "cuts=3, cuts-lasted-ms=700000");
        assert_eq!(lost(one, 1.0, 5), "");
        assert_eq!(lost(one, 1.0, 5), "cuts=2, cuts-quiet-ms=1000");
        assert_eq!(lost(one, 1.0, 5), "cuts=3, cuts-quiet-ms=1000");
        assert_eq!(lost(one, 1.0, 9), "cuts=4, cuts-silent-ms=1000");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut patterns = Patterns::default();
        for n in 0..3000u32 {
            patterns.lost(Ipv4Addr::from(n).into(), SECOND, SECOND);
        }
        assert_eq!((patterns.networks.len(), patterns.order.len()), (NETWORKS, NETWORKS));
        assert!(patterns.lost(Ipv4Addr::from(2999).into(), SECOND, SECOND).is_some());
        assert!(patterns.lost(Ipv4Addr::from(0).into(), SECOND, SECOND).is_none());
    }
}
