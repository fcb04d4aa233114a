//! Random sequences of events.

use super::*;
use crate::policy::breaker::{MAX_KINDS, Returned};

/// A random number generator (xorshift) with the same sequence in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// After events in random order: no WebSocket is withheld in a healthy network, a breaker opens only for
/// several clients that are present together, one test is made at a time, and memory is bounded.
#[test]
fn whatever_happens() {
    let mut openings = 0;
    for seed in 1..=200 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let (mut network, mut now) = (Network::default(), Instant::now() + BREAKER_MEMORY);
        let mut carrying = 0_usize;
        let mut healthy_until = now;
        // The clients that are present: number, kind, and when they came.
        let mut present: Vec<(u64, Kind, Instant)> = Vec::new();
        let mut testing: Vec<(u64, Kind)> = Vec::new();
        // The clients that have failed: number, kind, when they came and when they left.
        let mut failed: Vec<(u64, Kind, Instant, Option<Instant>)> = Vec::new();
        for step in 0..2000 {
            let kind = KINDS[dice.roll(3) as usize];
            let mut opened = None;
            match dice.roll(12) {
                0 => now += Duration::from_secs(dice.roll(2 * 600)),
                1..=3 => now += Duration::from_millis(dice.roll(5000)),
                4 | 5 => present.push((step, kind, now)),
                6 if !present.is_empty() => {
                    let (client, kind, _) =
                        present.swap_remove(dice.roll(present.len() as u64) as usize);
                    testing.retain(|(tester, of)| {
                        let his = *tester == client;
                        if his {
                            network.test_inconclusive(*of);
                        }
                        !his
                    });
                    network.client_left(kind, client, now);
                    let known = failed.iter_mut().find(|(known, ..)| *known == client);
                    known.into_iter().for_each(|(.., left)| *left = Some(now));
                }
                7 | 8 if !present.is_empty() => {
                    let (client, kind, opened_at) =
                        present[dice.roll(present.len() as u64) as usize];
                    let test = testing.contains(&(client, kind));
                    testing.retain(|known| *known != (client, kind));
                    let evidence = if dice.roll(2) == 0 { Silent } else { Dropped };
                    let proof = [Given, Given, Request, RequestOrHandshake][dice.roll(4) as usize];
                    let failure = Failure { client, opened: opened_at, evidence, proof, test };
                    if failed.iter().all(|(known, ..)| *known != client) {
                        failed.push((client, kind, opened_at, None));
                    }
                    opened = network.failed(kind, "", failure, now, &SETTINGS).map(|o| (kind, o));
                }
                9 => {
                    let who = match present.first() {
                        Some((client, ..)) if dice.roll(2) == 0 => Returned::Client(*client),
                        _ => Returned::NewSession,
                    };
                    opened = network
                        .client_returned(kind, who, now, &SETTINGS)
                        .map(|opened| (kind, opened));
                }
                10 if dice.roll(20) == 0 => {
                    carrying += 1;
                    network.carrying_started(now);
                    testing.clear();
                }
                10 if carrying > 0 => {
                    carrying -= 1;
                    network.carrying_ended(now);
                    healthy_until = now + HEALTHY;
                }
                _ => {
                    let tester = present.iter().find(|(_, of, _)| *of == kind).copied();
                    if let Some((client, kind, _)) = tester
                        && let Answer::Test { .. } = network.ask(kind, true, now)
                    {
                        testing.push((client, kind));
                    }
                }
            }
            let healthy = carrying > 0 || now < healthy_until;
            for kind in KINDS {
                let answer = network.ask(kind, false, now);
                assert!(!healthy || answer == Answer::Allowed, "{seed}:{step} {kind:?} {answer:?}");
                let tests = testing.iter().filter(|(_, of)| *of == kind).count();
                assert!(tests <= 1, "{seed}:{step} {tests} tests at a time");
                if let Answer::Withheld(left) = answer {
                    assert!(left <= SETTINGS.longest);
                }
            }
            if let Some((kind, Opened { cause, again, .. })) = &opened {
                assert!(!healthy, "{seed}:{step}");
                let mine = || failed.iter().filter(|(_, of, ..)| of == kind);
                let together = |moment: Instant| {
                    let present = mine().filter(|(.., came, left)| {
                        *came <= moment && left.is_none_or(|left| left >= moment)
                    });
                    present.count()
                };
                let most = mine().map(|(.., came, _)| together(*came)).max().unwrap_or_default();
                assert!(cause.clients <= most, "{seed}:{step} {cause:?}, of {most}");
                assert!(*again || cause.clients >= SETTINGS.failures, "{seed}:{step} {cause:?}");
                openings += 1;
            }
            assert!(network.breakers.len() <= MAX_KINDS);
            assert!(network.breakers.iter().all(|one| one.failures.len() <= MAX_RECORDS));
        }
    }
    assert!(openings > 100, "they open, too: {openings}");
}
