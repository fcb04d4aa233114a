//! Adds what this node says to the stream.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike as _;
use redis::{Pipeline, RedisResult, Value, cmd};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::entry::Serial;
use super::hub::{Hub, hopeless};
use super::outgoing::Sending;
use super::reader::Info;
use super::tell_end;
use crate::relay::Seldom;

/// From a lost connection to the next. It is short, so that all nodes are back at about the same time: what
/// they have said meanwhile can be put in the order of time.
pub const PAUSE: Duration = Duration::from_millis(250);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// For the reader to see all that is in the stream.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often it is looked for messages that take too long.
const LOOK: Duration = Duration::from_millis(100);

/// Messages that Redis did not take.
static REFUSED: Seldom = Seldom::new();

/// Writes, as long as it is not aborted.
pub async fn write(hub: Arc<Hub>) {
    let mut connection = None;
    loop {
        if let Err(error) = session(&hub, &mut connection).await {
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

/// Writes by one connection, until that is lost. `connection` is the number of the last one.
async fn session(hub: &Hub, connection: &mut Option<i64>) -> RedisResult<()> {
    let mut link = hub.redis.open(&hub.settings.stream).await?;
    let number: i64 = cmd("CLIENT").arg("ID").query_async(&mut link).await?;
    if let Some(older) = connection.replace(number) {
        // What it sent and Redis has not read is not to be read later, for it is sent again.
        let mut kill = cmd("CLIENT");
        let _ = link.req_packed_command(kill.arg("KILL").arg("ID").arg(older)).await;
    }
    hub.begun().await;
    if hub.outgoing.is_uncertain() {
        let last = Info::read(&mut link, &hub.settings.stream).await?.last;
        if timeout(CATCH_UP, hub.has_read(last)).await.is_err() {
            return Ok(());
        }
    }
    hub.outgoing.rewind();
    loop {
        let batch = hub.outgoing.next().await;
        let mut pipe = Pipeline::with_capacity(batch.len());
        batch.iter().for_each(|message| add(&mut pipe, hub, message));
        pipe.ignore_errors();
        let answers = tokio::select! {
            answers = link.req_packed_commands(&pipe, 0, batch.len()) => answers?,
            () = hopeless(&hub.redis, PATIENCE) => return Ok(()),
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
    }
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

fn add(pipe: &mut Pipeline, hub: &Hub, message: &Sending) {
    let Sending { number, uid, namespace, kind, data } = message;
    let serial = Serial { node: Arc::clone(&hub.name), number: *number };
    let command = pipe.cmd("XADD").arg(&hub.settings.stream);
    command.arg("MAXLEN").arg("~").arg(hub.settings.max_entries).arg("*");
    command.arg("uid").arg(&**uid).arg("nsp").arg(&**namespace).arg("type").arg(*kind);
    command.arg("data").arg(data).arg("serial").arg(serial.to_string());
}
