//! Adds what this node says to the stream.

use std::borrow::Cow;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike as _;
use redis::streams::StreamRangeReply;
use redis::{Pipeline, RedisResult, Value, cmd, from_redis_value};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::entry::{Id, Serial};
use super::hub::{Hub, hopeless};
use super::merge::{self, GATHERING};
use super::outgoing::Sending;
use super::reader::Info;
use super::tell_end;
use crate::cluster::redis::Link;
use crate::relay::Seldom;

/// From a lost connection to the next. It is short, so that all nodes are back at about the same time: what
/// they have said meanwhile is merged.
pub const PAUSE: Duration = Duration::from_millis(250);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// For the reader to see all that is in the stream.
const CATCH_UP: Duration = Duration::from_secs(30);
/// From a new connection until it is looked whether a node has left something to be merged.
const LEFT: Duration = Duration::from_secs(3);
/// How often it is looked for messages that take too long.
const LOOK: Duration = Duration::from_millis(100);

/// Messages that Redis did not take.
static REFUSED: Seldom = Seldom::new();

/// Writes, as long as it is not aborted.
pub async fn write(hub: Arc<Hub>) {
    let mut last = Last::default();
    loop {
        if let Err(error) = session(&hub, &mut last).await {
            tell_end("writes", &error);
        }
        hub.outgoing.down();
        hub.leave();
        sleep(PAUSE).await;
    }
}

/// Delivers at once what takes too long, as long as it is not aborted.
pub async fn watch(hub: Arc<Hub>) {
    loop {
        sleep(LOOK).await;
        match hub.outgoing.is_slow() {
            true => hub.leave(),
            false => hub.outgoing.look(),
        }
    }
}

/// What is known of the last connection.
#[derive(Default)]
struct Last {
    connection: Option<Connection>,
    /// Something was put to what is merged, and may still be there.
    is_merging: bool,
}

/// How Redis knows a connection: by a number, and since 6.2 by the address that it sees.
struct Connection {
    number: i64,
    address: Option<String>,
}

impl Connection {
    async fn of(link: &mut Link) -> RedisResult<Self> {
        let number = cmd("CLIENT").arg("ID").query_async(link).await?;
        let about = cmd("CLIENT").arg("INFO").query_async::<String>(link).await;
        let address = about.ok().and_then(|about| address_in(&about).map(str::to_owned));
        Ok(Connection { number, address })
    }

    /// Ends it, if it is still there. A Redis that was restarted has other connections of the same numbers.
    async fn kill(self, link: &mut Link) {
        let mut kill = cmd("CLIENT");
        kill.arg("KILL").arg("ID").arg(self.number);
        if let Some(address) = self.address {
            kill.arg("ADDR").arg(address);
        }
        let _ = link.req_packed_command(&kill).await;
    }
}

/// The address in an answer to `CLIENT INFO`.
fn address_in(about: &str) -> Option<&str> {
    about.split_ascii_whitespace().find_map(|field| field.strip_prefix("addr="))
}

/// Whether the stream has the entry of that place.
async fn is_there(link: &mut Link, stream: &str, id: Id) -> RedisResult<bool> {
    let (mut range, id) = (cmd("XRANGE"), id.to_string());
    range.arg(stream).arg(&id).arg(&id);
    let found = link.req_packed_command(&range).await?.extract_error()?;
    Ok(!from_redis_value::<StreamRangeReply>(found)?.ids.is_empty())
}

/// Writes by one connection, until that is lost. `before` is what is known of the one before.
async fn session(hub: &Hub, before: &mut Last) -> RedisResult<()> {
    let mut link = hub.redis.open(&hub.settings.stream).await?;
    let now = Connection::of(&mut link).await?;
    if let Some(older) = before.connection.replace(now) {
        // What it sent and Redis has not read is not to be read later, for it is sent again.
        older.kill(&mut link).await;
    }
    hub.begun().await;
    if let Some(last) = hub.outgoing.last_kept()
        && !is_there(&mut link, &hub.settings.stream, last).await?
    {
        // Some nodes may have read it and others not.
        let messages = hub.outgoing.again();
        info!(messages, "Redis has lost what was just said: it is added to the stream once more");
    }
    if std::mem::take(&mut before.is_merging) {
        // What it has put there comes back, or it is not there.
        merge::merge(&mut link, &hub.settings).await?;
    }
    if hub.outgoing.is_uncertain() {
        let last = Info::read(&mut link, &hub.settings.stream).await?.last;
        if timeout(CATCH_UP, hub.reached(last)).await.is_err() {
            return Ok(());
        }
    }
    hub.outgoing.rewind();
    let mut left = Box::pin(sleep(LEFT));
    // When what was said while Redis was away is merged, if it is not yet.
    let mut merging: Option<Instant> = None;
    loop {
        let batch = tokio::select! {
            batch = hub.outgoing.next() => batch,
            () = &mut left, if !left.is_elapsed() => {
                match merge::merge(&mut link, &hub.settings).await {
                    // Redis itself refused it.
                    Err(error) if error.code().is_some() => {
                        warn!(%error, "what nodes say while Redis is away cannot be merged");
                    }
                    merged => merged?,
                }
                continue;
            }
        };
        for batch in batch.chunk_by(|one, next| one.late.is_some() == next.late.is_some()) {
            let is_late = batch.iter().any(|message| message.late.is_some());
            let at = is_late.then(|| merging.unwrap_or_else(|| Instant::now() + GATHERING));
            before.is_merging |= is_late;
            send(hub, &mut link, batch).await?;
            if let Some(at) = at {
                sleep_until(at).await;
                merge::merge(&mut link, &hub.settings).await?;
                before.is_merging = false;
            }
            merging = at;
        }
    }
}

/// Sends messages: to the stream, or to what is merged.
async fn send(hub: &Hub, link: &mut Link, batch: &[Sending]) -> RedisResult<()> {
    let mut pipe = Pipeline::with_capacity(batch.len());
    for message in batch {
        match message.late {
            Some(_) => merge::put(&mut pipe, &hub.settings, &hub.name, message),
            None => add(&mut pipe, hub, message),
        }
    }
    pipe.ignore_errors();
    let answers = tokio::select! {
        answers = link.req_packed_commands(&pipe, 0, batch.len()) => answers?,
        () = hopeless(&hub.redis, PATIENCE) => return Err(Error::from(ErrorKind::TimedOut).into()),
    };
    for (message, answer) in batch.iter().zip(answers) {
        if let Value::ServerError(error) = answer {
            if passes(error.code()) {
                return Err(error.into());
            }
            if let Some(messages) = REFUSED.count(1) {
                warn!(messages, ?error, "Redis refuses to add to the stream");
            }
            hub.refused(message.number);
        }
    }
    Ok(())
}

/// Whether what Redis says no to now it takes a moment later, there or elsewhere: a server that is not in charge of the
/// stream, or not yet, or that has to wait for its replicas or its disk.
fn passes(code: &str) -> bool {
    const PASSING: [&str; 9] = [
        "READONLY",
        "LOADING",
        "MASTERDOWN",
        "CLUSTERDOWN",
        "TRYAGAIN",
        "MOVED",
        "ASK",
        "NOREPLICAS",
        "MISCONF",
    ];
    PASSING.contains(&code)
}

/// The fields of an entry, each after its name.
pub fn fields<'a>(node: &str, message: &'a Sending) -> [Cow<'a, str>; 10] {
    let Sending { number, uid, namespace, kind, data, .. } = message;
    let serial = Serial { node: node.into(), number: *number };
    [
        "uid".into(),
        (&**uid).into(),
        "nsp".into(),
        (&**namespace).into(),
        "type".into(),
        kind.to_string().into(),
        "data".into(),
        data.into(),
        "serial".into(),
        serial.to_string().into(),
    ]
}

fn add(pipe: &mut Pipeline, hub: &Hub, message: &Sending) {
    let command = pipe.cmd("XADD").arg(&hub.settings.stream);
    command.arg("MAXLEN").arg("~").arg(hub.settings.max_entries).arg("*");
    for part in fields(&hub.name, message) {
        command.arg(&*part);
    }
}

#[cfg(test)]
mod tests {
    use super::address_in;

    /// By Redis 7.0.15.
    #[test]
    fn the_address_of_a_connection() {
        let about = "id=7 addr=127.0.0.1:57210 laddr=127.0.0.1:6379 fd=8 name= age=0 idle=0\n";
        assert_eq!(address_in(about), Some("127.0.0.1:57210"));
        assert_eq!(address_in("id=7 laddr=127.0.0.1:6379"), None);
    }
}
