//! Reads the stream.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{Cmd, ErrorKind, RedisResult, Value, cmd, from_redis_value};
use tokio::time::sleep;
use tracing::warn;

use super::entry::{Entry, Id};
use super::hub::{Hub, hopeless};
use super::tell_end;
use super::writer::PAUSE;
use crate::cluster::redis::Link;

/// Entries that are read at once, and how long Redis waits for the first, as Node's adapter has it.
const COUNT: usize = 100;
const BLOCK: Duration = Duration::from_secs(5);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Places of entries that were read last, which are known again if they come a second time.
const RECENT: usize = 1024;

/// Reads, as long as it is not aborted.
pub async fn read(hub: Arc<Hub>) {
    let mut seen = Seen::default();
    loop {
        if let Err(error) = session(&hub, &mut seen).await {
            tell_end("reads", &error);
        }
        sleep(PAUSE).await;
    }
}

/// What was read.
#[derive(Default)]
struct Seen {
    /// The place of the last entry; `None` at first.
    last: Option<Id>,
    /// How many entries the stream had had with it.
    count: u64,
    recent: VecDeque<Id>,
    /// Of those, the ones that come again, because the stream is read from an earlier place.
    again: VecDeque<Id>,
}

impl Seen {
    /// An entry came. False if it came before.
    fn came(&mut self, id: Id) -> bool {
        (self.last, self.count) = (Some(id), self.count + 1);
        if let Some(at) = self.again.iter().position(|it| *it == id) {
            self.again.remove(at);
            return false;
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
        true
    }

    /// Goes back to a place, up to which the stream had `count` entries.
    fn back_to(&mut self, place: Id, count: u64) {
        (self.last, self.count) = (Some(place), count);
        self.again = self.recent.iter().copied().filter(|id| *id != place).collect();
    }
}

/// Reads by one connection, until that is lost.
async fn session(hub: &Hub, seen: &mut Seen) -> RedisResult<()> {
    let mut link = hub.redis.open(&hub.settings.stream).await?;
    look(hub, seen, &mut link).await?;
    loop {
        let last = seen.last.unwrap_or_default();
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(COUNT).arg("BLOCK").arg(BLOCK.as_millis() as u64);
        command.arg("STREAMS").arg(&hub.settings.stream).arg(last.to_string());
        let answer = tokio::select! {
            answer = link.req_packed_command(&command) => answer?.extract_error()?,
            () = hopeless(&hub.redis, PATIENCE) => return Ok(()),
        };
        let reply: StreamReadReply = match answer {
            Value::Nil => StreamReadReply { keys: Vec::new() },
            answer => from_redis_value(answer)?,
        };
        let entries: Vec<StreamId> = reply.keys.into_iter().flat_map(|key| key.ids).collect();
        let count = entries.len();
        for entry in entries {
            let id = place(&entry.id)?;
            let is_new = seen.came(id);
            match Entry::read(id, &entry.map) {
                Some(entry) if is_new => hub.take(entry),
                Some(_) => hub.pass(id),
                None => {
                    hub.count_malformed();
                    hub.pass(id);
                }
            }
        }
        if count >= COUNT || count == 0 {
            // Whether it was fast enough; or whether there is another stream, which goes on at an earlier place.
            look(hub, seen, &mut link).await?;
        }
        tokio::task::yield_now().await;
    }
}

/// Looks whether entries have gone that were not read.
async fn look(hub: &Hub, seen: &mut Seen, link: &mut Link) -> RedisResult<()> {
    let info = Info::read(link, &hub.settings.stream).await?;
    let Some(last) = seen.last else {
        *seen = Seen { last: Some(info.last), count: info.added, ..Seen::default() };
        hub.start(info.last);
        return Ok(());
    };
    if info.added < seen.count || info.last < last {
        warn!(
            stream = hub.settings.stream,
            "the stream has begun anew: Redis has lost what was in it"
        );
        seen.count = if info.first > last { info.gone() } else { info.added };
    }
    if info.last < last && info.length > 0 {
        // Redis goes on at an earlier place: it has lost the last entries, as when a replica takes over that did not have
        // them yet, and its clock is behind what it was.
        let (from, count) = earlier(hub, seen, &info, link).await?;
        seen.back_to(from, count);
        hub.pass(from);
        return Ok(());
    }
    if info.gone() > seen.count {
        let missed = info.gone() - seen.count;
        warn!(
            stream = hub.settings.stream,
            missed, "entries of the stream were gone before they were read"
        );
        hub.count_missed(missed);
        seen.count = info.gone();
        if info.length == 0 {
            seen.last = Some(info.last);
            hub.pass(info.last);
        }
    }
    Ok(())
}

/// The place to go back to, and how many entries the stream had with it: the oldest one that was read and is still
/// there; or the beginning, if Redis has begun anew.
async fn earlier(hub: &Hub, seen: &Seen, info: &Info, link: &mut Link) -> RedisResult<(Id, u64)> {
    if let Some(oldest) = seen.recent.front() {
        let mut range = cmd("XRANGE");
        range
            .arg(&hub.settings.stream)
            .arg(oldest.to_string())
            .arg("+")
            .arg("COUNT")
            .arg(2 * RECENT);
        let found = link.req_packed_command(&range).await?.extract_error()?;
        let found: StreamRangeReply = from_redis_value(found)?;
        if found.ids.first().is_some_and(|first| first.id == oldest.to_string()) {
            return Ok((*oldest, info.added - found.ids.len() as u64 + 1));
        }
    }
    Ok((Id::default(), info.gone()))
}

/// What Redis knows of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The place of the last entry that there was.
    pub last: Id,
    /// The place of the first entry that is there.
    pub first: Id,
    /// Entries that are there.
    pub length: u64,
    /// Entries that there ever were.
    pub added: u64,
}

impl Info {
    pub fn command(stream: &str) -> Cmd {
        let mut command = cmd("XINFO");
        command.arg("STREAM").arg(stream);
        command
    }

    pub async fn read(link: &mut Link, stream: &str) -> RedisResult<Self> {
        let answer = link.req_packed_command(&Info::command(stream)).await;
        Info::of(answer.and_then(Value::extract_error))
    }

    /// Reads the answer to the command.
    pub fn of(answer: RedisResult<Value>) -> RedisResult<Self> {
        let answer: HashMap<String, Value> = match answer {
            Ok(answer) => from_redis_value(answer)?,
            // Nobody has added anything.
            Err(error) if error.to_string().contains("no such key") => return Ok(Info::default()),
            Err(error) => return Err(error),
        };
        let number = |key: &str| match answer.get(key) {
            Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        };
        let text = |value: &Value| redis::from_redis_value_ref::<String>(value);
        let last = answer.get("last-generated-id").map(text).transpose()?.unwrap_or_default();
        let first = match answer.get("first-entry") {
            Some(Value::Array(entry)) => entry.first().map(text).transpose()?,
            _ => None,
        };
        let length = number("length");
        Ok(Info {
            last: place(&last)?,
            first: first.map_or(Ok(Id::default()), |first| place(&first))?,
            length,
            // Redis before 7.0 does not say.
            added: number("entries-added").max(length),
        })
    }

    /// Entries that are not there any more.
    pub fn gone(&self) -> u64 {
        self.added - self.length
    }
}

pub fn place(text: &str) -> RedisResult<Id> {
    let wrong = || (ErrorKind::Parse, "no place of a stream", text.to_owned()).into();
    text.parse().map_err(|()| wrong())
}
