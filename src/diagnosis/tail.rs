//! What happens to sessions now, for those who watch.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::causes::Verdict;
use crate::engine::Sid;

/// Events that are kept. Who comes too late for one is told how many are missing.
const KEPT: usize = 1024;
/// Events of one answer.
const PAGE: usize = 256;
/// Events from before that a new watcher gets.
const BEFORE: usize = 50;
/// How long a watcher waits for an event: less than any proxy does.
const PATIENCE: Duration = Duration::from_secs(20);
/// After the first event, those of this time come with it.
const GATHER: Duration = Duration::from_millis(100);

/// The latest events of all sessions. Watchers ask for those after a number, and wait; nothing is kept
/// for any of them.
#[derive(Debug, Default)]
pub struct Tail {
    ring: Mutex<Ring>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Event>,
    /// The number of the latest event, from 1 on.
    last: u64,
}

/// The session that an event is of: its id, its generation, its client's address.
pub(super) type Who = (Sid, &'static str, Option<IpAddr>);

#[derive(Debug, Clone)]
struct Event {
    number: u64,
    at: u64,
    session: Option<Who>,
    name: &'static str,
    text: String,
    /// A cause and how certain it is, if the event is that it was found.
    cause: Option<(&'static str, &'static str)>,
}

impl Tail {
    /// Adds an event of a session, or of the server.
    pub(super) fn push(&self, session: Option<Who>, name: &'static str, text: &str) {
        self.push_event(session, name, text, None);
    }

    /// Adds that a cause was found.
    pub(super) fn push_cause(
        &self,
        session: Option<Who>,
        name: &'static str,
        text: &str,
        verdict: &Verdict,
    ) {
        self.push_event(session, name, text, Some((verdict.cause, verdict.certainty.name())));
    }

    fn push_event(
        &self,
        session: Option<Who>,
        name: &'static str,
        text: &str,
        cause: Option<(&'static str, &'static str)>,
    ) {
        let mut ring = self.ring();
        ring.last += 1;
        let number = ring.last;
        // The text of the event that makes room: without it each event of the server would be an allocation
        // that lives for long.
        let oldest = if ring.events.len() == KEPT { ring.events.pop_front() } else { None };
        let mut kept = oldest.map(|event| event.text).unwrap_or_default();
        kept.clear();
        kept.push_str(text);
        let at = epoch_ms(SystemTime::now());
        ring.events.push_back(Event { number, at, session, name, text: kept, cause });
        drop(ring);
        self.came.notify_waiters();
    }

    /// The events after a number, as administrators get them: waits for one, but not for long. Without a
    /// number, the latest, at once.
    pub async fn after(&self, number: Option<u64>) -> Value {
        if let Some(number) = number {
            let came = self.came.notified();
            tokio::pin!(came);
            came.as_mut().enable();
            if self.ring().last == number && tokio::time::timeout(PATIENCE, came).await.is_ok() {
                tokio::time::sleep(GATHER).await;
            }
        }
        self.page(number)
    }

    fn page(&self, number: Option<u64>) -> Value {
        let ring = self.ring();
        // A number that never was is of another process, before a restart.
        let number = number.filter(|number| *number <= ring.last);
        let after = number.unwrap_or(ring.last.saturating_sub(BEFORE as u64));
        let first = ring.events.front().map_or(ring.last + 1, |event| event.number);
        let lost = if number.is_some() { (first - 1).saturating_sub(after) } else { 0 };
        let skipped = usize::try_from((after + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let page: Vec<Event> = ring.events.iter().skip(skipped).take(PAGE).cloned().collect();
        let next = page.last().map_or(ring.last, |event| event.number);
        drop(ring);
        let events: Vec<Value> = page.iter().map(Event::to_json).collect();
        json!({ "events": events, "lost": lost, "next": next })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    fn to_json(&self) -> Value {
        let mut event = json!({ "at": self.at, "event": self.name, "text": self.text });
        if let Some((sid, generation, address)) = self.session {
            event["sid"] = sid.as_str().into();
            event["generation"] = generation.into();
            event["address"] = address.map(|address| address.to_string()).into();
        }
        if let Some((cause, certainty)) = self.cause {
            event["cause"] = cause.into();
            event["certainty"] = certainty.into();
        }
        event
    }
}

/// Milliseconds since 1970, as administrators get times.
pub fn epoch_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(page: &Value) -> Vec<&str> {
        page["events"].as_array().unwrap().iter().map(|e| e["text"].as_str().unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn watchers_get_what_came_after_and_wait_for_more() {
        let tail = std::sync::Arc::<Tail>::default();
        assert_eq!(tail.after(None).await, json!({ "events": [], "lost": 0, "next": 0 }));
        tail.push(None, "x", "one");
        let first = tail.after(None).await;
        assert_eq!((texts(&first), &first["next"]), (vec!["one"], &json!(1)));
        let watcher = tokio::spawn({
            let tail = std::sync::Arc::clone(&tail);
            async move { tail.after(Some(1)).await }
        });
        tokio::task::yield_now().await;
        tail.push(None, "x", "two");
        tail.push(None, "x", "three");
        assert_eq!(texts(&watcher.await.unwrap()), ["two", "three"]);
        // Nothing comes: an empty answer in time, and no busy loop.
        let began = tokio::time::Instant::now();
        assert_eq!(tail.after(Some(3)).await["events"], json!([]));
        assert_eq!(began.elapsed(), PATIENCE);
        // A number of another process.
        assert_eq!(texts(&tail.after(Some(99)).await), ["one", "two", "three"]);
    }

    #[tokio::test]
    async fn who_is_slow_is_told_how_much_is_missing() {
        let tail = Tail::default();
        for number in 1..=KEPT + 10 {
            tail.push(None, "x", &number.to_string());
        }
        let page = tail.after(Some(0)).await;
        assert_eq!((&page["lost"], &page["next"]), (&json!(10), &json!(10 + PAGE)));
        assert_eq!((texts(&page)[0], texts(&page).len()), ("11", PAGE));
        let page = tail.after(Some(10 + PAGE as u64)).await;
        assert_eq!((texts(&page)[0], &page["lost"]), ("267", &json!(0)));
        assert_eq!(texts(&tail.after(None).await).len(), BEFORE);
    }
}
