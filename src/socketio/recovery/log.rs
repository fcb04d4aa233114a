//! Events that clients may have missed, with positions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Missed;
use crate::engine::Sid;
use crate::socketio::adapter::Packet;
use crate::socketio::broadcast::Broadcast;
use crate::socketio::selector::Selector;

/// The last events of a namespace. A position is a number, and valid without its event: a client that has
/// seen the event before the first that is kept has missed nothing that is gone.
#[derive(Debug)]
pub struct Log {
    namespace: Arc<str>,
    /// Names this log: positions of another mean nothing here.
    epoch: String,
    events: VecDeque<Kept>,
    /// The position of the last event; those that are kept have the ones up to it.
    top: u64,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
    max_age: Duration,
}

#[derive(Debug)]
struct Kept {
    event: Arc<Broadcast>,
    selector: Selector,
    bytes: usize,
    at: Instant,
}

/// Characters of an epoch.
const EPOCH: usize = 8;

impl Log {
    pub fn new(
        namespace: &Arc<str>,
        max_events: usize,
        max_bytes: usize,
        max_age: Duration,
    ) -> Self {
        let namespace = Arc::clone(namespace);
        let epoch = Sid::random().map_or_else(|_| String::new(), |sid| sid.to_string());
        let epoch = epoch.chars().take(EPOCH).collect();
        let events = VecDeque::new();
        Log { namespace, epoch, events, top: 0, bytes: 0, max_events, max_bytes, max_age }
    }

    pub fn top(&self) -> u64 {
        self.top
    }

    /// Keeps an event, and returns its position.
    pub fn add(&mut self, packet: &Packet, selector: &Selector, now: Instant) -> Arc<str> {
        let attachments = packet.args.attachments.iter().map(bytes::Bytes::len).sum::<usize>();
        // The text of JSON is about as long as what it takes to keep it.
        let values = packet.args.values.iter().map(|value| value.to_string().len()).sum::<usize>();
        let bytes = packet.name.len() + attachments + values;
        self.bytes += bytes;
        self.top += 1;
        let offset: Arc<str> = self.offset(self.top).into();
        let (namespace, args) = (Arc::clone(&self.namespace), packet.args.clone());
        let event = Broadcast::new(namespace, &packet.name, args).offset(Some(Arc::clone(&offset)));
        let (event, selector) = (Arc::new(event), selector.clone());
        self.events.push_back(Kept { event, selector, bytes, at: now });
        let too_much = |log: &Self| log.events.len() > log.max_events || log.bytes > log.max_bytes;
        while let Some(first) = self.events.front()
            && (too_much(self) || now - first.at > self.max_age)
        {
            self.bytes -= first.bytes;
            self.events.pop_front();
        }
        offset
    }

    /// A position as clients keep it.
    pub fn offset(&self, position: u64) -> String {
        format!("{}.{position}", self.epoch)
    }

    /// Reads a position; `None` if it is none of this log.
    pub fn position(&self, offset: &str) -> Option<u64> {
        let position = offset.strip_prefix(&*self.epoch)?.strip_prefix('.')?;
        position.parse().ok().filter(|position| *position <= self.top)
    }

    /// Whether all events after a position are there.
    pub fn has_all_since(&self, position: u64) -> bool {
        position + self.events.len() as u64 >= self.top
    }

    /// The events after a position that sockets in these rooms missed.
    pub fn since(&self, position: u64, rooms: &[Arc<str>]) -> Missed {
        let newer = usize::try_from(self.top.saturating_sub(position)).unwrap_or(usize::MAX);
        let skipped = self.events.len().saturating_sub(newer);
        let newer = self.events.iter().skip(skipped);
        let missed = newer.filter(|kept| kept.selector.is_for(rooms));
        missed.map(|kept| Arc::clone(&kept.event)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::Args;

    fn event(name: &str) -> Packet {
        Packet { name: name.to_owned(), args: Args::default() }
    }

    fn of(rooms: &[&str], except: &[&str]) -> Selector {
        let all = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        Selector { rooms: all(rooms), except: all(except) }
    }

    fn names(missed: Missed) -> Vec<String> {
        missed.iter().filter_map(|it| it.event().map(|(name, _)| name.to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn events_go_by_number_bytes_and_age_and_positions_stay_valid() {
        let (mut log, now) =
            (Log::new(&"/".into(), 3, 100, Duration::from_secs(10)), Instant::now());
        let all = of(&[], &[]);
        let start = log.offset(log.top());
        assert_eq!(log.position(&start), Some(0));
        for name in ["a", "b", "c"] {
            log.add(&event(name), &all, now);
        }
        assert!(log.has_all_since(0));
        assert_eq!(names(log.since(0, &[])), ["a", "b", "c"]);
        assert_eq!(names(log.since(2, &[])), ["c"]);
        let offset = log.add(&event("d"), &all, now);
        assert!(!log.has_all_since(0) && log.has_all_since(1));
        let missed = log.since(3, &[]);
        assert_eq!(missed.iter().map(|it| it.position()).collect::<Vec<_>>(), [Some(&offset)]);
        assert_eq!(names(missed), ["d"]);
        log.add(&event(&"e".repeat(99)), &all, now);
        assert!(!log.has_all_since(2) && log.has_all_since(3), "99 bytes and one");
        log.add(&event("f"), &all, now + Duration::from_secs(11));
        assert_eq!(names(log.since(5, &[])), ["f"]);
        assert!(log.has_all_since(5) && log.has_all_since(6));
        for wrong in ["", ".1", "x.1", &log.offset(7), &start.replace('.', "")] {
            assert_eq!(log.position(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_was_for_the_rooms_is_missed() {
        let mut log = Log::new(&"/".into(), 10, 1000, Duration::from_secs(10));
        for (name, selector) in [
            ("all", of(&[], &[])),
            ("mine", of(&["me"], &[])),
            ("other", of(&["other"], &[])),
            ("both", of(&["other", "r"], &[])),
            ("but me", of(&[], &["me"])),
            ("but r", of(&["me"], &["x", "r"])),
        ] {
            log.add(&event(name), &selector, Instant::now());
        }
        let missed = log.since(0, &["me".into(), "r".into()]);
        assert_eq!(names(missed), ["all", "mine", "both"]);
    }
}
