//! Events of a namespace as they are in the stream: for who keeps them, and was away.

use std::collections::HashMap;
use std::sync::Arc;

use redis::streams::StreamRangeReply;
use redis::{RedisResult, cmd, from_redis_value};
use tracing::debug;

use super::entry::{Entry, Id, Serial};
use super::hub::Hub;
use super::reader::{Info, place};
use crate::cluster::message::Content;
use crate::socketio::{Part, Replay, Taken};

/// Entries that are read at once.
const COUNT: usize = 500;

/// See [`Adapter::replay`](crate::socketio::Adapter::replay).
pub async fn replay(hub: &Hub, namespace: &Arc<str>, after: u64) -> Option<Replay> {
    // From there on events come by themselves.
    hub.begun().await;
    match read(hub, namespace, after).await {
        Ok(replay) => Some(replay),
        Err(error) => {
            debug!(%error, "the stream cannot be read");
            None
        }
    }
}

async fn read(hub: &Hub, namespace: &Arc<str>, after: u64) -> RedisResult<Replay> {
    let stream = &hub.settings.stream;
    let info = Info::of(hub.redis.command(&Info::command(stream)).await)?;
    let from = Id::at(after);
    let gap = is_gap(&info, from, hub.started()).then(|| match info.length {
        0 => info.last.place_up_to(),
        _ => info.first.place_up_to().saturating_sub(1),
    });
    let mut range = cmd("XRANGE");
    range.arg(stream).arg(from.next_with_place().to_string()).arg("+").arg("COUNT").arg(COUNT);
    let found: StreamRangeReply = from_redis_value(hub.redis.command(&range).await?)?;
    let (is_end, mut last) = (found.ids.len() < COUNT, from);
    let (mut taken, mut serials) = (Vec::new(), HashMap::new());
    for entry in found.ids {
        last = place(&entry.id)?;
        let entry = Entry::read(last, &entry.map);
        let entry = entry.filter(|it| it.is_broadcast() && it.namespace == *namespace);
        taken.extend(entry.filter(|it| is_first(&mut serials, it.serial.as_ref())).and_then(event));
    }
    if is_end {
        last = last.max(info.last);
    }
    let until = last.place_up_to().max(after);
    let live_from = hub.started().map_or(0, Id::place_up_to);
    Ok(Replay { taken, until, is_end, live_from, gap: gap.filter(|gap| *gap > after) })
}

/// Whether entries after a place, which was read, may be gone. `started` is where this node began to read.
fn is_gap(info: &Info, from: Id, started: Option<Id>) -> bool {
    let is_there = from >= info.first && info.length > 0 || from >= info.last;
    // If none has gone, the stream has all that it ever had; but it may be another one than before.
    let is_other = from > Id::default() && started.is_none_or(|started| from < started);
    !is_there && (info.gone() > 0 || is_other)
}

/// Whether it is no entry that was added twice.
fn is_first(serials: &mut HashMap<Arc<str>, u64>, serial: Option<&Serial>) -> bool {
    let Some(serial) = serial else { return true };
    let last = serials.entry(Arc::clone(&serial.node)).or_default();
    let is_first = serial.number > *last;
    *last = serial.number.max(*last);
    is_first
}

fn event(entry: Entry) -> Option<Taken> {
    let Ok(Content::Broadcast { packet, selector, flags, request: None }) = entry.content() else {
        return None;
    };
    let taken = Taken::new(packet, selector, flags, Some(Arc::clone(&entry.uid)));
    Some(Taken { place: Some(entry.id.place()?), part: Part::Kept, ..taken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_gone_is_a_gap() {
        let id = |ms: u64| Id::at(ms * 4096);
        let info =
            |first, last, length, added| Info { first: id(first), last: id(last), length, added };
        let started = Some(id(50));
        for (info, from, gap) in [
            // All that there ever was is there.
            (info(10, 20, 11, 11), 0, false),
            (info(10, 20, 11, 11), 15, false),
            // The first ones have gone.
            (info(10, 20, 11, 12), 0, true),
            (info(10, 20, 11, 12), 9, true),
            (info(10, 20, 11, 12), 10, false),
            // All have.
            (info(0, 20, 0, 12), 19, true),
            (info(0, 20, 0, 12), 20, false),
            // It has begun anew since then, before this node began to read or after.
            (info(60, 70, 2, 2), 40, true),
            (info(60, 70, 2, 2), 55, false),
            // There is none.
            (info(0, 0, 0, 0), 40, false),
            (info(0, 0, 0, 0), 0, false),
        ] {
            assert_eq!(is_gap(&info, id(from), started), gap, "{info:?} {from}");
        }
    }
}
