//! Sessions as administrators see them: who is connected, and by what; what happened to one; what happens
//! now; and causes over time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::info;

use crate::admission::{ClientInfo, network_name};
use crate::chat::Removals;
use crate::diagnosis::{self, Book, Ended, Glance, Verdict};
use crate::engine::{CloseReason, Engine, Session, Sid};
use crate::site::admin::{AdminError, List, SessionRequest};

/// The cause of what no rule fits.
const UNKNOWN: &str = "unknown";

/// Requests for events that may wait at once.
const WATCHERS: usize = 8;

/// Answers requests about sessions.
#[derive(Clone)]
pub struct Sessions {
    engine: Engine,
    book: Arc<Book>,
    removals: Removals,
    watchers: Arc<Semaphore>,
}

impl Sessions {
    pub fn new(engine: Engine, book: Arc<Book>, removals: Removals) -> Self {
        Sessions { engine, book, removals, watchers: Arc::new(Semaphore::new(WATCHERS)) }
    }

    pub async fn answer(self, request: SessionRequest) -> Result<Value, AdminError> {
        match request {
            SessionRequest::List(list) => {
                // With a filter, each session may have to be looked at: not in the way of messages.
                let listing = tokio::task::spawn_blocking(move || match list.ended {
                    true => self.list_ended(&list),
                    false => self.list_open(&list),
                });
                listing.await.map_err(|_| AdminError::stopping())
            }
            SessionRequest::One(sid) => self.one(&sid).ok_or_else(AdminError::session),
            SessionRequest::Disconnect(sid) => self.disconnect(&sid).await,
            SessionRequest::Events(after) => self.events(after).await,
            SessionRequest::Causes => Ok(self.book.causes_over_time(network_name)),
        }
    }

    fn list_open(&self, list: &List) -> Value {
        let mut shown = Vec::new();
        let mut next = None;
        // What is asked for is seldom a cause, and causes are found by walking the rules.
        let may_be_cause = diagnosis::causes()
            .iter()
            .map(|known| &*known.cause)
            .chain([UNKNOWN])
            .any(|cause| cause.contains(&list.text));
        for (number, sid) in self.book.open(list.before) {
            let Some(session) = self.engine.session(sid.as_str()) else { continue };
            let Some(glance) = self.book.glance(sid) else { continue };
            let has_cause = || {
                let verdict = if may_be_cause { glance.verdict() } else { None };
                verdict.is_some_and(|verdict| verdict.cause.contains(&list.text))
            };
            if !Row::of_open(&session, &glance, None).have(&list.text) && !has_cause() {
                continue;
            }
            if shown.len() == list.limit {
                next = shown.last().map(|(number, _)| *number);
                break;
            }
            let verdict = glance.verdict();
            let row = Row::of_open(&session, &glance, verdict.as_ref());
            shown.push((number, row.to_json(&session, &glance)));
        }
        let page: Value = shown.into_iter().map(|(_, session)| session).collect();
        json!({ "sessions": page, "next": next, "total": self.engine.session_count() })
    }

    fn list_ended(&self, list: &List) -> Value {
        let is_there = |ended: &Ended| Row::of_ended(ended).have(&list.text);
        let mut found = self.book.ended_before(list.before, list.limit + 1, is_there);
        let more = found.len() > list.limit;
        found.truncate(list.limit);
        let next = found.last().filter(|_| more).map(|ended| ended.order);
        let page: Value = found.iter().map(ended_json).collect();
        json!({ "sessions": page, "next": next, "total": self.book.ended_count() })
    }

    fn one(&self, sid: &str) -> Option<Value> {
        let sid = Sid::parse(sid)?;
        if let Some(session) = self.engine.session(sid.as_str())
            && let (Some(glance), Some(report)) = (self.book.glance(sid), self.book.report(sid))
        {
            let verdict = glance.verdict();
            let row = Row::of_open(&session, &glance, verdict.as_ref());
            let mut shown = row.to_json(&session, &glance);
            shown["network"] = network_name(session.handshake().bucket).into();
            if let Some(client) = ClientInfo::of(&session) {
                let visitor = client.visitor();
                shown["agent"] = visitor.agent.into();
                shown["origin"] = visitor.origin.into();
                shown["host"] = visitor.host.into();
                shown["scheme"] = visitor.scheme.name().into();
            }
            shown["timeline"] = report.timeline.to_json();
            return Some(shown);
        }
        let ended = self.book.ended_one(sid)?;
        let mut shown = ended_json(&ended);
        shown["timeline"] = ended.timeline.to_json();
        Some(shown)
    }

    async fn disconnect(&self, sid: &str) -> Result<Value, AdminError> {
        let session = self.engine.session(sid).filter(|session| session.is_open());
        let session = session.ok_or_else(AdminError::session)?;
        let sid = session.sid();
        if !self.removals.remove(sid).await {
            session.close(CloseReason::ServerClosed);
        }
        info!(%sid, "session ended by an administrator");
        Ok(json!({ "disconnected": sid.as_str() }))
    }

    async fn events(&self, after: Option<u64>) -> Result<Value, AdminError> {
        let Ok(_permit) = self.watchers.try_acquire() else {
            return Err(AdminError::busy(format!("{WATCHERS} others are watching already")));
        };
        tokio::select! {
            page = self.book.tail().after(after) => Ok(page),
            () = self.engine.stopping().cancelled() => Err(AdminError::stopping()),
        }
    }
}

/// A session in a list: what a filter looks into.
struct Row<'a> {
    sid: Sid,
    name: Option<&'a str>,
    address: Option<IpAddr>,
    generation: &'static str,
    transport: &'static str,
    proxy: Option<&'a str>,
    verdict: Option<&'a Verdict>,
}

impl<'a> Row<'a> {
    fn of_open(session: &'a Session, glance: &'a Glance, verdict: Option<&'a Verdict>) -> Self {
        let handshake = session.handshake();
        Row {
            sid: session.sid(),
            name: glance.name.as_deref(),
            address: handshake.remote,
            generation: handshake.generation,
            transport: session.transport(),
            proxy: handshake.proxy.as_deref(),
            verdict,
        }
    }

    fn of_ended(ended: &'a Ended) -> Self {
        Row {
            sid: ended.sid,
            name: ended.name.as_deref(),
            address: ended.remote,
            generation: ended.generation,
            transport: ended.transport,
            proxy: ended.proxy.as_deref(),
            verdict: ended.verdict.as_ref(),
        }
    }

    /// Whether one of them has a text in it, which is in lower case.
    fn have(&self, text: &str) -> bool {
        let has = |fact: &str| fact.contains(text);
        let is_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
        let may_be_address = text.chars().all(is_address);
        text.is_empty()
            || self.sid.as_str().eq_ignore_ascii_case(text)
            || self.name.is_some_and(|name| has(&name.to_lowercase()))
            || has(self.transport)
            || has(self.generation)
            || may_be_address && self.address.is_some_and(|address| has(&address.to_string()))
            || self.verdict.is_some_and(|verdict| has(verdict.cause))
            || self.proxy.is_some_and(|proxy| has(&proxy.to_lowercase()))
    }

    fn json(&self) -> Value {
        json!({
            "sid": self.sid.as_str(),
            "name": self.name,
            "address": self.address.map(|address| address.to_string()),
            "generation": self.generation,
            "transport": self.transport,
            "proxy": self.proxy,
            "verdict": self.verdict.map(Verdict::to_json),
        })
    }

    fn to_json(&self, session: &Session, glance: &Glance) -> Value {
        let mut shown = self.json();
        shown["open"] = session.is_open().into();
        shown["since"] = epoch_ms(glance.age).into();
        shown["queue-bytes"] = session.held().into();
        shown
    }
}

fn ended_json(ended: &Ended) -> Value {
    let mut shown = Row::of_ended(ended).json();
    let ago = Instant::now().saturating_duration_since(ended.at);
    shown["open"] = false.into();
    shown["since"] = epoch_ms(ago + ended.lasted).into();
    shown["ended"] = epoch_ms(ago).into();
    shown["reason"] = ended.reason.to_string().into();
    shown
}

/// Milliseconds since 1970 of what was so long ago.
fn epoch_ms(ago: Duration) -> u64 {
    diagnosis::epoch_ms(SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH))
}
