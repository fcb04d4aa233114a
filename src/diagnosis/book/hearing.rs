//! What clients tell.

use tokio::time::Instant;

use super::{Book, Ended, Record, Subject, lock};
use crate::diagnosis::causes::{Verdict, diagnose};
use crate::diagnosis::facts::Facts;
use crate::engine::{Session, Sid};

/// The transport whose absence is a fallback.
const WEBSOCKET: &str = "websocket";

impl Book {
    /// Takes what the client saw of an attempt, or of the loss of its last session, and returns the
    /// verdict on what both ends know.
    ///
    /// `of` is the id of the session that it happened to. Who knows another's was its client.
    pub fn hear(&self, session: &Session, told: &Facts, of: Option<Sid>) -> Verdict {
        let sid = session.sid();
        let last = of.filter(|of| *of != sid);
        let is_loss = told.text("step") == Some("carrying");
        let is_of_last = last.is_some() || is_loss && of.is_none();
        let transport = told.text("transport").unwrap_or(WEBSOCKET);
        let mut facts = Facts::default();
        facts.extend(told);
        facts.set("uptime-ms", self.started.elapsed());
        self.lateness.tell(&mut facts);
        let seen = match last {
            Some(last) => self.seen_of(last, transport),
            None if is_of_last => None,
            None => self.shard(sid).get(&sid).and_then(|record| record.seen(transport)),
        };
        facts.extend(&seen.unwrap_or_default());
        // The client knows best what it tried; and both ends count from what they heard last.
        let best = if is_of_last { &["transport", "silent-ms"][..] } else { &["transport"] };
        for name in best {
            if let Some(fact) = told.get(name) {
                facts.set(name, fact.clone());
            }
        }
        let verdict = diagnose(&facts);
        // That answers are late is no failure yet: it may have no cause.
        if told.get("code").is_none() && !verdict.is_known() {
            return verdict;
        }
        if let Some(last) = last.filter(|_| verdict.is_known()) {
            self.set_verdict_of(last, &verdict);
        }
        let mut shard = self.shard(sid);
        let Some(record) = shard.get_mut(&sid) else { return verdict };
        let text = format!("{}: {}", verdict.cause, verdict.evidence);
        record.timeline.push(record.opened.elapsed(), "the client saw", &text);
        let is_of_websocket = facts.text("transport") == Some(WEBSOCKET);
        // What failed in the last session lets the client do without it in this one.
        let explains = !is_of_last || is_of_websocket && !is_loss;
        if explains && (is_of_websocket || record.verdict().is_none()) {
            record.set_verdict(verdict.clone());
        }
        record.logged = true;
        let stays = record.transport;
        drop(shard);
        self.found(Subject::of(session), stays, &facts, &verdict);
        verdict
    }

    /// What the server saw of a session that its client gave up, whether it has ended here or not.
    fn seen_of(&self, last: Sid, transport: &str) -> Option<Facts> {
        if let Some(record) = self.shard(last).get(&last) {
            return record.seen(transport);
        }
        let ended = lock(&self.ended);
        ended.iter().rev().find(|ended| ended.sid == last).map(Ended::facts)
    }

    /// An event of a session that has ended: its connection outlives it for a moment.
    pub(super) fn tell_ended(&self, sid: Sid, now: Instant, name: &str, text: &str) {
        let mut ended = lock(&self.ended);
        if let Some(ended) = ended.iter_mut().rev().find(|ended| ended.sid == sid) {
            ended.timeline.push(ended.lasted + (now - ended.at), name, text);
        }
    }

    fn set_verdict_of(&self, last: Sid, verdict: &Verdict) {
        if let Some(record) = self.shard(last).get_mut(&last) {
            return record.set_verdict(verdict.clone());
        }
        let mut ended = lock(&self.ended);
        if let Some(ended) = ended.iter_mut().rev().find(|ended| ended.sid == last) {
            ended.verdict = Some(verdict.clone());
        }
    }
}

impl Record {
    /// What the server saw of the attempt to use that transport.
    fn seen(&self, transport: &str) -> Option<Facts> {
        Some(self.attempts.to(transport)?.facts(self.opened.elapsed()))
    }
}
