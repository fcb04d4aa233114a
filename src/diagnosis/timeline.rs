//! What happened to one session, in short.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::SessionEvent;

/// Events that are kept of a session. The first stays; after it, the oldest make room.
pub const MOST: usize = 32;
/// Bytes of an event's text.
const LONGEST: usize = 100;

/// The events of one session, oldest first: a line for each, because every open session has them.
#[derive(Debug, Clone, Default)]
pub struct Timeline(String);

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment<'a> {
    /// Milliseconds since the session was made.
    pub at: u32,
    /// What happened, in a word or two.
    pub name: &'a str,
    /// More, at most 100 bytes, on one line.
    pub text: &'a str,
}

impl Timeline {
    /// Adds an event that happened so long after the session was made.
    pub fn push(&mut self, after: Duration, name: &str, text: &str) {
        let mut ends = self.0.match_indices('\n').map(|(at, _)| at + 1);
        if let Some(first) = ends.next()
            && let Some(second) = ends.next()
            && ends.count() + 2 == MOST
        {
            self.0.replace_range(first..second, "");
        }
        let at = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        let digits = at.checked_ilog10().unwrap_or(0) as usize + 1;
        let text = prefix(text);
        self.0.reserve_exact(digits + name.len() + text.len() + "\t\t\n".len());
        // Writing to a string does not fail.
        let _ = write!(self.0, "{at}\t{name}\t");
        match text.contains(char::is_control) {
            // A space takes no more than what it replaces.
            true => self.0.push_str(&text.replace(char::is_control, " ")),
            false => self.0.push_str(text),
        }
        self.0.push('\n');
    }

    /// All events.
    pub fn moments(&self) -> impl Iterator<Item = Moment<'_>> {
        self.0.lines().filter_map(|line| {
            let (at, rest) = line.split_once('\t')?;
            let (name, text) = rest.split_once('\t')?;
            Some(Moment { at: at.parse().ok()?, name, text })
        })
    }

    /// As administrators get it.
    pub fn to_json(&self) -> Value {
        let moment = |moment: Moment<'_>| json!({ "ms": moment.at, "event": moment.name, "text": moment.text });
        self.moments().map(moment).collect()
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
pub(super) fn words<'a>(event: &SessionEvent<'a>) -> (&'static str, Cow<'a, str>) {
    let ms = Duration::as_millis;
    let (name, text) = match *event {
        SessionEvent::Handshake { transport, offered: [] } => return ("opened", transport.into()),
        SessionEvent::Handshake { transport, offered } => {
            ("opened", format!("{transport}, offered {}", offered.join(", ")))
        }
        SessionEvent::Withheld { transport, reason, .. } => {
            ("not offered", format!("{transport}: {reason}"))
        }
        SessionEvent::Moved { to, .. } => return ("transport", to.into()),
        SessionEvent::Refused { transport, reason, label } => {
            let reason = if reason.is_empty() { label } else { reason };
            ("refused", format!("{transport}: {reason}"))
        }
        SessionEvent::Probing { transport } => return ("probing", transport.into()),
        SessionEvent::UpgradeRefused { transport, reason } => {
            ("upgrade refused", format!("{transport}: {reason}"))
        }
        SessionEvent::ProbeAnswered { transport } => return ("probe answered", transport.into()),
        SessionEvent::Upgraded { from, to, after } => {
            ("upgraded", format!("{from} → {to} in {} ms", ms(&after)))
        }
        SessionEvent::Confirmed { transport } => return ("confirmed", transport.into()),
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
    };
    (name, text.into())
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
        let at = |timeline: &Timeline| timeline.moments().map(|it| it.at).collect::<Vec<_>>();
        let kept = at(&timeline);
        assert_eq!(kept.len(), MOST);
        assert_eq!((kept[0], kept[1], kept[31]), (0, 69, 99));
        timeline.push(Duration::MAX, "long", &"é".repeat(80));
        let last = timeline.moments().last().unwrap();
        assert_eq!((last.at, last.text.len()), (u32::MAX, 100));
        // Nobody makes two events of one.
        timeline.push(Duration::ZERO, "odd", "a\tb\n1\tc\td");
        let last = timeline.moments().last().unwrap();
        assert_eq!((at(&timeline).len(), last.name, last.text), (MOST, "odd", "a b 1 c d"));
        assert_eq!(timeline.to_json()[31]["event"], "odd");
    }

    #[test]
    fn a_refusal_without_a_reason_is_told_by_its_label() {
        let refused =
            |reason| SessionEvent::Refused { transport: "websocket", reason, label: "rate" };
        assert_eq!(words(&refused("")).1, "websocket: rate");
        assert_eq!(words(&refused("too many")).1, "websocket: too many");
    }
}
