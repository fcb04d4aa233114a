//! Causes over time, and what those of one kind have in common.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::causes::{Certainty, Verdict};
use super::tail::epoch_ms;

/// Minutes that are remembered: six hours.
const MINUTES: usize = 360;
/// Changes of the policy that are remembered.
const MARKS: usize = 64;
/// A cause that was not found for so long begins anew.
const QUIET: Duration = Duration::from_secs(30 * 60);
/// A cause that begins so soon after a change of the policy is told together with it.
const SOON: Duration = Duration::from_secs(120);
/// Networks and proxies that are told apart for one cause, and those that are shown.
const APART: usize = 128;
const SHOWN: usize = 5;
/// From so many on, of which nine in ten have something in common, that is worth a line.
const MANY: u64 = 5;

/// When causes were found, in minutes.
#[derive(Debug)]
pub(super) struct History {
    started: (Instant, SystemTime),
    minutes: VecDeque<(u64, BTreeMap<&'static str, u64>)>,
    runs: BTreeMap<&'static str, Run>,
    marks: VecDeque<(Instant, String)>,
}

/// A cause, from when it was first found after a quiet time.
#[derive(Debug)]
struct Run {
    /// Since the start of the process.
    total: u64,
    since: Instant,
    latest: Instant,
    count: u64,
    /// Of the latest.
    certainty: Certainty,
    evidence: String,
    networks: Tally<IpAddr>,
    proxies: Tally<Option<Arc<str>>>,
}

/// How often each of a few values came.
#[derive(Debug)]
struct Tally<K>(HashMap<K, u64>);

impl Default for History {
    fn default() -> Self {
        History {
            started: (Instant::now(), SystemTime::now()),
            minutes: VecDeque::new(),
            runs: BTreeMap::new(),
            marks: VecDeque::new(),
        }
    }
}

impl History {
    /// A cause was found for so many sessions, or refused requests, of a network, behind a proxy.
    pub fn found(
        &mut self,
        verdict: &Verdict,
        network: Option<IpAddr>,
        proxy: &Option<Arc<str>>,
        number: u64,
    ) {
        let cause = verdict.cause;
        let now = Instant::now();
        let minute = self.epoch(now) / 60_000;
        if self.minutes.back().is_none_or(|(latest, _)| *latest < minute) {
            self.minutes.push_back((minute, BTreeMap::new()));
            if self.minutes.len() > MINUTES {
                self.minutes.pop_front();
            }
        }
        if let Some((_, counts)) = self.minutes.back_mut() {
            *counts.entry(cause).or_default() += number;
        }
        let run = self.runs.entry(cause).or_insert_with(|| Run::new(0, now));
        if now - run.latest > QUIET {
            *run = Run::new(run.total, now);
        }
        run.latest = now;
        run.total += number;
        run.count += number;
        run.certainty = verdict.certainty;
        run.evidence.clear();
        run.evidence.push_str(&verdict.evidence);
        if let Some(network) = network {
            run.networks.add(&network, number);
        }
        run.proxies.add(proxy, number);
    }

    /// Something changed that causes may follow from.
    pub fn mark(&mut self, what: &str) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((Instant::now(), what.to_owned()));
    }

    /// How often each cause was found.
    pub fn totals(&self) -> Vec<(&'static str, u64)> {
        self.runs.iter().map(|(cause, run)| (*cause, run.total)).collect()
    }

    /// As administrators get it; `network` names a network.
    pub fn to_json(&self, network: impl Fn(IpAddr) -> String) -> Value {
        let now = Instant::now();
        let this_minute = self.epoch(now) / 60_000;
        let oldest = (this_minute + 1).saturating_sub(MINUTES as u64);
        let recent = || self.minutes.iter().filter(|(minute, _)| *minute >= oldest);
        let causes = self.runs.iter().map(|(cause, run)| {
            let of = |(_, counts): &(u64, BTreeMap<&str, u64>)| counts.get(cause).copied();
            let hour = recent().filter(|(minute, _)| minute + 60 > this_minute);
            let named = super::causes().iter().find(|known| known.cause == *cause);
            json!({
                "cause": cause,
                "where": named.map(|named| &*named.place),
                "title": named.map(|named| &*named.title),
                "remedy": named.map(|named| &*named.remedy),
                "certainty": run.certainty.name(),
                "evidence": run.evidence,
                "total": run.total,
                "hour": hour.filter_map(of).sum::<u64>(),
                "since": self.epoch(run.since),
                "latest": self.epoch(run.latest),
                "count": run.count,
                "after": self.mark_before(run).map(|(at, what)| json!({ "at": self.epoch(*at), "what": what })),
                "networks": run.networks.shown(|address| network(*address)),
                "proxies": run.proxies.shown(|proxy| proxy.as_deref().unwrap_or("none").to_owned()),
                "common": run.common(&network),
            })
        });
        let minutes =
            recent().map(|(minute, counts)| json!({ "at": minute * 60_000, "causes": counts }));
        let marks =
            self.marks.iter().map(|(at, what)| json!({ "at": self.epoch(*at), "what": what }));
        json!({
            "now": self.epoch(now),
            "started": epoch_ms(self.started.1),
            "causes": causes.collect::<Value>(),
            "minutes": minutes.collect::<Value>(),
            "marks": marks.collect::<Value>(),
        })
    }

    /// The change that a cause began right after.
    fn mark_before(&self, run: &Run) -> Option<&(Instant, String)> {
        let before = |(at, _): &&(Instant, String)| *at <= run.since && run.since - *at <= SOON;
        self.marks.iter().rev().find(before)
    }

    /// Milliseconds since 1970.
    fn epoch(&self, at: Instant) -> u64 {
        epoch_ms(self.started.1 + (at - self.started.0))
    }
}

impl Run {
    fn new(total: u64, now: Instant) -> Self {
        Run {
            total,
            since: now,
            latest: now,
            count: 0,
            certainty: Certainty::Unknown,
            evidence: String::new(),
            networks: Tally::default(),
            proxies: Tally::default(),
        }
    }

    /// What most of them have in common, if they are many.
    fn common(&self, network: impl Fn(IpAddr) -> String) -> Option<String> {
        if self.count < MANY {
            return None;
        }
        let are_most = |count: u64| count * 10 >= self.count * 9;
        if let Some((Some(proxy), count)) = self.proxies.most().filter(|it| are_most(it.1)) {
            return Some(format!("{count} of {} came through the proxy {proxy}", self.count));
        }
        let (of, count) = self.networks.most().filter(|it| are_most(it.1))?;
        Some(format!("{count} of {} came from {}", self.count, network(*of)))
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Tally<K> {
    fn add(&mut self, key: &K, number: u64) {
        if let Some(count) = self.0.get_mut(key) {
            *count += number;
        } else if self.0.len() < APART {
            self.0.insert(key.clone(), number);
        }
    }

    fn most(&self) -> Option<(&K, u64)> {
        self.0.iter().max_by_key(|(_, count)| **count).map(|(key, count)| (key, *count))
    }

    fn shown(&self, name: impl Fn(&K) -> String) -> Value {
        let mut all: Vec<_> = self.0.iter().map(|(key, count)| (name(key), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let shown = all.into_iter().take(SHOWN);
        shown.map(|(name, count)| json!({ "name": name, "count": count })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn verdict(cause: &'static str) -> Verdict {
        let evidence = format!("signs of {cause}");
        let certainty = Certainty::Likely;
        Verdict { cause, place: "", certainty, title: "", evidence, remedy: "" }
    }

    fn found(history: &mut History, cause: &'static str, last: u8, proxy: Option<&str>) {
        history.found(&verdict(cause), Some(address(last)), &proxy.map(Arc::from), 1);
    }

    fn cause(history: &History, name: &str) -> Value {
        let shown = history.to_json(|address| address.to_string());
        shown["causes"].as_array().unwrap().iter().find(|it| it["cause"] == name).unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn what_causes_have_in_common_is_told() {
        let mut history = History::default();
        for last in 0..9 {
            found(&mut history, "cut", last, Some("1.1 squid"));
        }
        found(&mut history, "cut", 0, None);
        assert_eq!(cause(&history, "cut")["common"], "9 of 10 came through the proxy 1.1 squid");
        found(&mut history, "cut", 0, None);
        assert_eq!(cause(&history, "cut")["common"], Value::Null, "9 of 11 are too few");
        for _ in 0..4 {
            found(&mut history, "idle-timeout", 7, None);
        }
        assert_eq!(cause(&history, "idle-timeout")["common"], Value::Null, "four are too few");
        found(&mut history, "idle-timeout", 7, None);
        assert_eq!(cause(&history, "idle-timeout")["common"], "5 of 5 came from 192.0.2.7");
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_counted_at_once_and_the_latest_evidence_is_kept() {
        let mut history = History::default();
        history.found(&verdict("server-full"), Some(address(1)), &None, 9);
        history.found(&verdict("server-full"), None, &None, 1);
        let it = cause(&history, "server-full");
        assert_eq!((&it["total"], &it["hour"]), (&json!(10), &json!(10)));
        assert_eq!(it["networks"], json!([{ "name": "192.0.2.1", "count": 9 }]));
        assert_eq!(it["evidence"], "signs of server-full");
        assert_eq!(it["certainty"], "likely");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cause_begins_anew_after_a_quiet_time_and_perhaps_after_a_change() {
        let mut history = History::default();
        let minute = Duration::from_secs(60);
        found(&mut history, "cut", 1, None);
        tokio::time::advance(minute * 20).await;
        history.mark("transports: all -> polling");
        found(&mut history, "cut", 1, None);
        let it = cause(&history, "cut");
        assert_eq!((&it["count"], &it["after"]), (&json!(2), &Value::Null), "it was there before");
        tokio::time::advance(minute * 31).await;
        history.mark("max-websockets: 0 -> 1");
        tokio::time::advance(minute).await;
        found(&mut history, "cut", 1, None);
        let it = cause(&history, "cut");
        assert_eq!((&it["count"], &it["total"]), (&json!(1), &json!(3)));
        assert_eq!(it["after"]["what"], "max-websockets: 0 -> 1");
        assert_eq!(it["hour"], 3);
        tokio::time::advance(minute * 40).await;
        assert_eq!(cause(&history, "cut")["hour"], 1);
        tokio::time::advance(minute * MINUTES as u32).await;
        let shown = history.to_json(|address| address.to_string());
        assert_eq!(shown["minutes"], json!([]), "old minutes are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_bounds() {
        let mut history = History::default();
        for number in 0..2000_u32 {
            history.mark("x");
            let network = std::net::Ipv4Addr::from(number).into();
            history.found(&verdict("cut"), Some(network), &None, 1);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert_eq!((history.minutes.len(), history.marks.len()), (MINUTES, MARKS));
        assert_eq!(history.runs["cut"].networks.0.len(), APART);
        assert_eq!(cause(&history, "cut")["networks"].as_array().unwrap().len(), SHOWN);
    }
}
