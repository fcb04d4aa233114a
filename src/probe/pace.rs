//! How fast the way is: the time of a small message there and back, and the bytes that pass in a second.

use std::time::{Duration, Instant};

use super::GROUP_WAY;
use super::attempt::SMALL;
use super::check::{Check, Outcome, millis};
use super::generation::Transport;
use super::session::{Place, Session};

/// Bytes of the larger message, and the time that it has to take longer for the difference to tell anything.
const LARGE: usize = 4096;
const TELLING: Duration = Duration::from_millis(50);
/// What is slow once may be chance: it is measured again, as often as this, and no longer than that.
const TRIES: u32 = 3;
const LONGEST: Duration = Duration::from_secs(6);
/// From here on it is slow.
const SLOW_TRIP: Duration = Duration::from_secs(4);
const SLOW_BYTES: u64 = 10_000;
/// A round trip that explains why something did not come in time.
const LATE_TRIP: Duration = Duration::from_secs(1);
/// What is sent each way: 64 kB, as messages that every server takes; a slow way gets less.
const PIECES: u32 = 5;
const PIECE: usize = 13_200;

/// How fast a way is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    round_trip: Duration,
    /// Unknown if it is too many to measure.
    bytes_per_second: Option<u64>,
}

impl Pace {
    /// Measures it by the first transport that carries messages. `None` if there is none.
    pub async fn measure(place: Place<'_>) -> Option<Pace> {
        for transport in [Transport::Xhr, Transport::WebSocket] {
            let Ok(mut session) = Session::open(place, transport).await else { continue };
            let measured = Pace::of(&mut session).await;
            session.leave().await;
            if measured.is_some() {
                return measured;
            }
        }
        None
    }

    async fn of(session: &mut Session<'_>) -> Option<Pace> {
        let started = Instant::now();
        let small = session.ask(1, SMALL, Duration::ZERO).await.ok()?;
        let mut best = Pace { round_trip: small, bytes_per_second: None };
        for _ in 0..TRIES {
            // There and back, if what is asked comes back.
            let bytes = if session.echoes() { 2 * LARGE } else { LARGE };
            let Ok(large) = session.ask(1, LARGE, Duration::ZERO).await else { break };
            best.round_trip = best.round_trip.min(large);
            let longer = large.saturating_sub(best.round_trip);
            let bytes = bytes as f64 / longer.as_secs_f64();
            let bytes = (longer > TELLING).then_some(bytes as u64);
            best.bytes_per_second = match best.bytes_per_second {
                Some(before) => bytes.map(|now| now.max(before)),
                None => bytes,
            };
            if !best.is_slow() || started.elapsed() > LONGEST {
                break;
            }
        }
        Some(best)
    }

    fn is_slow(self) -> bool {
        self.round_trip >= SLOW_TRIP || self.bytes_per_second.is_some_and(|few| few < SLOW_BYTES)
    }

    /// The round trip, if it is long enough to explain that something came late.
    pub fn late_ms(self) -> Option<u64> {
        (self.round_trip >= LATE_TRIP).then(|| millis(self.round_trip))
    }

    /// How many messages of how many bytes test a transport, so that all together take a second or two.
    pub fn bulk(this: Option<Pace>) -> (u32, usize) {
        match this.and_then(|pace| pace.bytes_per_second) {
            Some(few) if few < SLOW_BYTES => (1, usize::try_from(few / 4).unwrap_or(PIECE)),
            _ => (PIECES, PIECE),
        }
    }

    pub fn check(self) -> Check {
        let trip = millis(self.round_trip);
        let mut text = format!("a message takes {trip} ms there and back");
        if let Some(bytes) = self.bytes_per_second.filter(|_| self.is_slow()) {
            text.push_str(&format!("; {:.1} kB pass in a second", bytes as f64 / 1000.0));
        }
        let outcome = if self.is_slow() { Outcome::Warn } else { Outcome::Ok };
        let mut check = Check::new(GROUP_WAY, "pace", outcome, text).with("round-trip-ms", trip);
        if let Some(bytes) = self.bytes_per_second {
            check = check.with("bytes-per-second", bytes);
        }
        if self.is_slow() {
            check = check.fact("rtt-ms", trip);
            if let Some(bytes) = self.bytes_per_second {
                check = check.fact("bytes-per-second", bytes);
            }
        }
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_way_is_named_and_gets_less() {
        let pace =
            |ms, bytes_per_second| Pace { round_trip: Duration::from_millis(ms), bytes_per_second };
        for (pace, cause, bulk) in [
            (pace(3, None), None, (5, 13_200)),
            (pace(2000, Some(40_000)), None, (5, 13_200)),
            (pace(4000, None), Some("slow-way"), (5, 13_200)),
            (pace(200, Some(6000)), Some("slow-way"), (1, 1500)),
        ] {
            let check = pace.check();
            assert_eq!(check.verdict().map(|verdict| verdict.cause), cause, "{}", check.text);
            assert_eq!(Pace::bulk(Some(pace)), bulk);
        }
        assert_eq!(Pace::bulk(None), (5, 13_200));
    }
}
