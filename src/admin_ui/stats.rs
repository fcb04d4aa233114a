//! What a server tells of itself every two seconds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::shown::since_epoch;
use crate::transport::{Direction, traffic};

/// Kinds of events that are counted apart: each reason of an end, in each of the seconds.
const KINDS: usize = 256;

/// A second, a type, a subtype.
type Kind = (u64, &'static str, Option<String>);

/// What happened since it was last told, and how often.
#[derive(Debug, Default)]
pub struct Happened(Mutex<BTreeMap<Kind, u64>>);

impl Happened {
    /// Counts something.
    pub fn count(&self, kind: &'static str, sub: Option<String>, by: u64) {
        let second = since_epoch(SystemTime::now()).as_secs();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (second, kind, sub);
        if counts.len() < KINDS || counts.contains_key(&key) {
            *counts.entry(key).or_default() += by;
        }
    }

    /// All that was counted, and forgets it.
    pub fn take(&self) -> Value {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let shown = |((second, kind, sub), count): (Kind, u64)| {
            let mut shown = json!({ "timestamp": second * 1000, "type": kind, "count": count });
            if let Some(sub) = sub {
                shown["subType"] = sub.into();
            }
            shown
        };
        counts.into_iter().map(shown).collect()
    }
}

/// What all transports carried so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried([u64; 4]);

impl Carried {
    const KINDS: [&str; 4] = ["packetsIn", "bytesIn", "packetsOut", "bytesOut"];

    pub fn now() -> Self {
        let mut sum = [0; 4];
        for (_, traffic) in traffic() {
            let (packets_in, bytes_in) = traffic.total(Direction::In);
            let (packets_out, bytes_out) = traffic.total(Direction::Out);
            let each = [packets_in, bytes_in, packets_out, bytes_out];
            sum.iter_mut().zip(each).for_each(|(sum, each)| *sum += each);
        }
        Carried(sum)
    }

    /// Adds to `happened` the packets and bytes of all transports since `earlier`.
    pub fn count_since(&self, earlier: &Carried, happened: &Happened) {
        for ((kind, now), before) in Self::KINDS.into_iter().zip(self.0).zip(earlier.0) {
            if now > before {
                happened.count(kind, None, now - before);
            }
        }
    }
}

/// Who this server is.
#[derive(Debug)]
pub struct Identity {
    started: Instant,
    id: String,
    host: String,
}

impl Identity {
    /// Servers on one machine differ by their ports.
    pub fn new(port: u16) -> Self {
        let host = host_name();
        Identity { started: Instant::now(), id: format!("{host}:{port}"), host }
    }

    pub fn stats(
        &self,
        clients: usize,
        polling: usize,
        happened: Value,
        namespaces: Value,
    ) -> Value {
        json!({
            "serverId": self.id,
            "hostname": self.host,
            "pid": std::process::id(),
            "uptime": self.started.elapsed().as_secs_f64(),
            "clientsCount": clients,
            "pollingClientsCount": polling,
            "aggregatedEvents": happened,
            "namespaces": namespaces,
        })
    }
}

#[cfg(target_os = "linux")]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(target_os = "linux"))]
fn host_name() -> String {
    let named = ["COMPUTERNAME", "HOSTNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_told_once() {
        let happened = Happened::default();
        happened.count("rawConnection", None, 1);
        happened.count("rawConnection", None, 2);
        let told = happened.take();
        let counted: u64 =
            told.as_array().unwrap().iter().filter_map(|it| it["count"].as_u64()).sum();
        assert_eq!(counted, 3);
        assert_eq!(told[0]["timestamp"].as_u64().unwrap() % 1000, 0);
        assert_eq!(happened.take(), json!([]));
        for n in 0..10_000 {
            happened.count("rawDisconnection", Some(n.to_string()), 1);
        }
        let told = happened.take();
        assert_eq!((told.as_array().unwrap().len(), &told[0]["subType"]), (KINDS, &json!("0")));
    }
}
