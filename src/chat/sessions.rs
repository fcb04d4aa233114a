//! Sessions of clients that may come back to a room: records beside its log, or, in a cluster, with the sessions that
//! all nodes have in common.
//!
//! A session is written as somebody gets a name, so that it is there even if the process is killed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::room::now;
use crate::socketio::{Adapter, SessionRecord, SharedSessions};
use crate::store::{Record, RoomLog};

/// What the keys of records begin with.
const SESSION: &str = "session:";
/// For so long the session of a client that is there is kept with those of all nodes. Who has been there for longer when
/// a node is killed joins anew.
const PRESENT: Duration = Duration::from_secs(24 * 60 * 60);

/// Where they are, and how long clients may be away.
#[derive(Debug)]
pub(super) struct Sessions {
    place: Place,
    max_disconnection: Duration,
}

#[derive(Debug)]
enum Place {
    Log(RoomLog),
    Nodes(Arc<dyn SharedSessions>),
}

impl Sessions {
    /// Those of a room with that adapter and that log.
    pub fn of(adapter: &dyn Adapter, log: &RoomLog, max_disconnection: Duration) -> Self {
        let place = adapter.sessions().map_or_else(|| Place::Log(log.clone()), Place::Nodes);
        Sessions { place, max_disconnection }
    }

    /// Keeps the session of a client that is there. If there is no place for it, the client joins anew when it comes
    /// back.
    pub fn keep(&self, session: SessionRecord) {
        match &self.place {
            Place::Log(log) => put(log, &session, None),
            Place::Nodes(nodes) => nodes.keep(session, PRESENT),
        }
    }

    /// Keeps the session of a client that was lost.
    pub fn lost(&self, session: SessionRecord) {
        match &self.place {
            Place::Log(log) => put(log, &session, Some(self.end())),
            Place::Nodes(nodes) => nodes.keep(session, self.max_disconnection),
        }
    }

    /// A client has left. Who did not mean to may come back for a while.
    pub fn left(&self, pid: &str, meant: bool) {
        match (&self.place, meant) {
            (Place::Log(log), true) => drop(log.remove(&key(pid))),
            (Place::Log(log), false) => {
                log.record(&key(pid)).into_iter().for_each(|it| self.expire(log, it));
            }
            (Place::Nodes(nodes), true) => nodes.end(pid.to_owned(), Duration::ZERO),
            (Place::Nodes(nodes), false) => nodes.end(pid.to_owned(), self.max_disconnection),
        }
    }

    /// Takes a session out: it is given once.
    pub async fn take(&self, pid: &str) -> Option<SessionRecord> {
        match &self.place {
            Place::Log(log) => {
                let record = log.record(&key(pid))?;
                log.remove(&key(pid)).ok()?;
                read(pid, &record.value)
            }
            Place::Nodes(nodes) => nodes.take(pid.to_owned()).await,
        }
    }

    /// The process begins: who was there when it last ended may come back for a while.
    pub fn expire_all(&self) {
        if let Place::Log(log) = &self.place {
            let sessions = log.records().into_iter().filter(|it| it.key.starts_with(SESSION));
            sessions.for_each(|record| self.expire(log, record));
        }
    }

    /// Gives a session its end, if it has none.
    fn expire(&self, log: &RoomLog, record: Record) {
        if record.expires.is_none() {
            let _ = log.put(Record { expires: Some(self.end()), ..record });
        }
    }

    fn end(&self) -> u64 {
        now() + self.max_disconnection.as_millis().try_into().unwrap_or(u64::MAX / 2)
    }
}

fn key(pid: &str) -> String {
    format!("{SESSION}{pid}")
}

fn put(log: &RoomLog, session: &SessionRecord, expires: Option<u64>) {
    let (key, value) = (key(&session.pid), written(session));
    let _ = log.put(Record { key, value, expires });
}

fn written(session: &SessionRecord) -> String {
    let SessionRecord { pid: _, sid, rooms, data, start, sent, lost } = session;
    let rooms: Vec<&str> = rooms.iter().map(|room| &**room).collect();
    json!({ "sid": sid, "rooms": rooms, "data": data, "start": start, "sent": sent, "lost": lost })
        .to_string()
}

fn read(pid: &str, text: &str) -> Option<SessionRecord> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let (sid, start, sent, lost) = (text("sid")?, text("start"), text("sent"), text("lost"));
    let rooms =
        value["rooms"].as_array()?.iter().filter_map(Value::as_str).map(Arc::from).collect();
    let data = value["data"].take();
    Some(SessionRecord { pid: pid.to_owned(), sid, rooms, data, start, sent, lost })
}
