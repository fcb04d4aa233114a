//! Slow mode: the time between two messages of a person.
//!
//! Nothing here has a clock: time comes in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Messages of all people at an address in that time: many may be behind one, and one may have many names.
const PER_ADDRESS: u32 = 10;
/// People and addresses that are remembered before the first search for those that may speak again.
const SWEEP: usize = 1024;

/// Who has spoken a moment ago.
#[derive(Debug, Default)]
pub(super) struct Slow {
    people: HashMap<String, Instant>,
    addresses: HashMap<IpAddr, (Instant, u32)>,
    sweep_at: usize,
}

impl Slow {
    /// Somebody says something, by the author's word in the history. If it is too soon: how long to wait.
    ///
    /// # Errors
    /// If it is too soon: the time to wait.
    pub fn take(
        &mut self,
        author: &str,
        address: IpAddr,
        every: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        if every.is_zero() {
            return Ok(());
        }
        let left = |since: Instant| (since + every).saturating_duration_since(now);
        let own = self.people.get(author).map_or(Duration::ZERO, |since| left(*since));
        let shared = self.addresses.get(&address).filter(|(_, count)| *count >= PER_ADDRESS);
        let wait = own.max(shared.map_or(Duration::ZERO, |(since, _)| left(*since)));
        if !wait.is_zero() {
            return Err(wait);
        }
        if self.people.len() >= self.sweep_at.max(SWEEP) {
            self.people.retain(|_, since| !left(*since).is_zero());
            self.addresses.retain(|_, (since, _)| !left(*since).is_zero());
            self.sweep_at = self.people.len() * 2;
        }
        self.people.insert(author.to_owned(), now);
        let (since, count) = self.addresses.entry(address).or_insert((now, 0));
        if left(*since).is_zero() {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_message_of_a_person_and_ten_of_an_address() {
        let mut slow = Slow::default();
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let every = second * 10;
        let [here, there] = ["10.0.0.1", "10.0.0.2"].map(|it| it.parse().unwrap());
        assert_eq!(slow.take("ann", here, every, start), Ok(()));
        assert_eq!(slow.take("ann", here, every, start + second * 3), Err(second * 7));
        assert_eq!(slow.take("ann", there, every, start + second * 3), Err(second * 7));
        for name in 1..10 {
            let said = slow.take(&name.to_string(), here, every, start + second);
            assert_eq!(said, Ok(()), "{name}");
        }
        assert_eq!(slow.take("more", here, every, start + second * 4), Err(second * 6));
        assert_eq!(slow.take("more", there, every, start + second * 4), Ok(()));
        assert_eq!(slow.take("ann", here, every, start + every), Ok(()));
        assert_eq!(slow.take("9", here, every, start + every), Err(second));
        assert_eq!(slow.take("9", here, Duration::ZERO, start + every), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_speak_again_is_forgotten() {
        let mut slow = Slow::default();
        let every = Duration::from_secs(1);
        let mut now = Instant::now();
        for name in 0..20 * SWEEP {
            let address = IpAddr::from(u32::try_from(name).unwrap().to_be_bytes());
            assert_eq!(slow.take(&name.to_string(), address, every, now), Ok(()));
            now += every / 1000;
        }
        assert!(slow.people.len() <= 3 * SWEEP, "{}", slow.people.len());
        assert!(slow.addresses.len() <= slow.people.len());
    }
}
