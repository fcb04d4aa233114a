//! What can be asked of the book.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::{Book, Ended, Glance, Record, Report, lock};
use crate::diagnosis::attempt::Attempt;
use crate::diagnosis::causes::{Verdict, diagnose};
use crate::diagnosis::tail::Tail;
use crate::engine::Sid;

impl Book {
    /// A session that is open, or one of the last that ended.
    pub fn report(&self, sid: Sid) -> Option<Report> {
        if let Some(record) = self.shard(sid).get(&sid) {
            return Some(Report {
                timeline: record.timeline.clone(),
                verdict: record.verdict_now(),
            });
        }
        let ended = lock(&self.ended);
        let found = ended.iter().rev().find(|ended| ended.sid == sid)?;
        Some(Report { timeline: found.timeline.clone(), verdict: found.verdict.clone() })
    }

    /// Why an open session has no WebSocket, as far as it is known. Cheap: for lists.
    pub fn verdict(&self, sid: Sid) -> Option<Verdict> {
        self.shard(sid).get(&sid)?.verdict_now()
    }

    /// The sessions that ended last, the latest first.
    pub fn ended(&self) -> Vec<Ended> {
        lock(&self.ended).iter().rev().cloned().collect()
    }

    /// Open sessions by number, the newest first, those before a number.
    pub fn open(&self, before: Option<u64>) -> Vec<(u64, Sid)> {
        let mut all = Vec::new();
        for shard in &self.open {
            all.extend(lock(shard).iter().map(|(sid, record)| (record.number, *sid)));
        }
        all.retain(|(number, _)| before.is_none_or(|before| *number < before));
        all.sort_unstable_by(|a, b| b.cmp(a));
        all
    }

    /// An open session, in short.
    pub fn glance(&self, sid: Sid) -> Option<Glance> {
        let shard = self.shard(sid);
        let record = shard.get(&sid)?;
        let (number, age, name) = (record.number, record.opened.elapsed(), record.name.clone());
        let (verdict, attempt) = (record.verdict().cloned(), record.attempts.websocket().clone());
        Some(Glance { number, age, name, verdict, attempt })
    }

    /// One of the sessions that ended last.
    pub fn ended_one(&self, sid: Sid) -> Option<Ended> {
        lock(&self.ended).iter().rev().find(|ended| ended.sid == sid).cloned()
    }

    /// Sessions that ended, the latest first: those before an [`Ended::order`] that are asked for, at
    /// most `limit`.
    pub fn ended_before(
        &self,
        order: Option<u64>,
        limit: usize,
        is_asked: impl Fn(&Ended) -> bool,
    ) -> Vec<Ended> {
        let ended = lock(&self.ended);
        let before = |ended: &&Ended| order.is_none_or(|order| ended.order < order);
        let asked = ended.iter().rev().filter(before).filter(|ended| is_asked(ended));
        asked.take(limit).cloned().collect()
    }

    /// How many sessions that ended are remembered.
    pub fn ended_count(&self) -> usize {
        lock(&self.ended).len()
    }

    /// What happens now, for those who watch.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// How often each cause was found.
    pub fn causes(&self) -> Vec<(&'static str, u64)> {
        lock(&self.history).totals()
    }

    /// The causes over time, as administrators get them. `network` names a network.
    pub fn causes_over_time(&self, network: impl Fn(IpAddr) -> String) -> Value {
        lock(&self.history).to_json(network)
    }
}

impl Glance {
    /// Why it has no WebSocket. The rules are walked for it, which is too much for a list of all sessions.
    pub fn verdict(&self) -> Option<Verdict> {
        verdict_now(self.verdict.clone(), &self.attempt, self.age)
    }
}

impl Record {
    fn verdict_now(&self) -> Option<Verdict> {
        verdict_now(self.verdict().cloned(), self.attempts.websocket(), self.opened.elapsed())
    }
}

pub(super) fn verdict_now(
    verdict: Option<Verdict>,
    attempt: &Attempt,
    age: Duration,
) -> Option<Verdict> {
    verdict.or_else(|| (!attempt.is_on_websocket()).then(|| diagnose(&attempt.facts(age))))
}
