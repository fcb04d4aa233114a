//! What happened to one session, in short.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::SessionEvent;

/// Events that are kept of a session. The first stays; after it, the oldest make room.
pub const MOST: usize = 32;
/// Bytes of an event's text.
const LONGEST: usize = 100;

/// The events of one session, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Timeline(Vec<Moment>);

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the session was made.
    pub at: u32,
    /// What happened, in a word or two.
    pub name: &'static str,
    /// More, at most 100 bytes.
    pub text: Box<str>,
}

impl Timeline {
    /// Adds an event that happened so long after the session was made.
    pub fn push(&mut self, after: Duration, name: &'static str, text: &str) {
        if self.0.len() == MOST {
            self.0.remove(1);
        }
        self.0.reserve_exact(1);
        let at = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        self.0.push(Moment { at, name, text: prefix(text).into() });
    }

    /// All events.
    pub fn moments(&self) -> &[Moment] {
        &self.0
    }

    /// As administrators get it.
    pub fn to_json(&self) -> Value {
        let moment =
            |moment: &Moment| json!({ "ms": moment.at, "event": moment.name, "text": moment.text });
        self.0.iter().map(moment).collect()
    }
}

pub(super) fn prefix(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The name and the text of an event.
pub(super) fn words(event: &SessionEvent<'_>) -> (&'static str, String) {
    let ms = Duration::as_millis;
    match *event {
        SessionEvent::Handshake { transport, offered: [] } => ("opened", transport.to_owned()),
        SessionEvent::Handshake { transport, offered } => {
            ("opened", format!("{transport}, offered {}", offered.join(", ")))
        }
        SessionEvent::Withheld { transport, reason, .. } => {
            ("not offered", format!("{transport}: {reason}"))
        }
        SessionEvent::Moved { to, .. } => ("transport", to.to_owned()),
        SessionEvent::Refused { transport, reason, label } => {
            let reason = if reason.is_empty() { label } else { reason };
            ("refused", format!("{transport}: {reason}"))
        }
        SessionEvent::Probing { transport } => ("probing", transport.to_owned()),
        SessionEvent::UpgradeRefused { transport, reason } => {
            ("upgrade refused", format!("{transport}: {reason}"))
        }
        SessionEvent::ProbeAnswered { transport } => ("probe answered", transport.to_owned()),
        SessionEvent::Upgraded { from, to, after } => {
            ("upgraded", format!("{from} → {to} in {} ms", ms(&after)))
        }
        SessionEvent::Confirmed { transport } => ("confirmed", transport.to_owned()),
        SessionEvent::UpgradeFailed { tried, reason, after, .. } => {
            ("upgrade failed", format!("{tried}: {reason} ({} ms)", ms(&after)))
        }
        SessionEvent::TakenBack { tried, to, reason } => {
            ("taken back", format!("{tried} → {to}: {reason}"))
        }
        SessionEvent::WebSocketEnded { end, after } => {
            ("WebSocket ended", format!("{} after {} ms", end.name(), ms(&after)))
        }
        SessionEvent::Closed { reason, transport, .. } => {
            ("closed", format!("{reason}, on {transport}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_and_the_latest_stay() {
        let mut timeline = Timeline::default();
        for n in 0..100 {
            timeline.push(Duration::from_millis(n), "n", &n.to_string());
        }
        let kept: Vec<u32> = timeline.moments().iter().map(|moment| moment.at).collect();
        assert_eq!(kept.len(), MOST);
        assert_eq!((kept[0], kept[1], kept[31]), (0, 69, 99));
        timeline.push(Duration::MAX, "long", &"é".repeat(80));
        let last = timeline.moments().last().unwrap();
        assert_eq!((last.at, last.text.len()), (u32::MAX, 100));
        assert_eq!(timeline.to_json()[31]["event"], "long");
    }
}
