//! A transport that drains a session's queue, or is about to.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::super::direct_writer::{Connection, DirectWriter};

/// Names one outlet; a number that was never used before in the session.
pub(in crate::engine) type Ticket = u64;

/// A task to wake, outside of the session's lock.
pub(in crate::engine) type Wake = Option<Waker>;

/// How a request reached its session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Via {
    /// Straight from its client, or from a proxy in between.
    #[default]
    Client,
    /// From another node of the cluster, which passed it on.
    Node,
}

/// A transport that takes packets.
#[derive(Debug)]
pub(in crate::engine) struct Outlet {
    pub ticket: Ticket,
    /// How the request came that it answers.
    pub via: Via,
    /// The transport's task, while it waits.
    waker: Option<Waker>,
    /// The transport waits, and would take packets.
    pub wants: bool,
    /// Takes packets without the transport being woken, as long as it waits for them.
    pub direct_writer: Option<Arc<dyn DirectWriter>>,
    /// The direct writer could not get rid of all it took.
    pub stuck: bool,
    /// Answer with nothing: an upgrade needs the poll out of the way.
    pub released: bool,
    /// An upgrade has just made this the transport in use.
    pub promoted: bool,
    /// Nothing has come for a while: the transport is to ask for a sign of life.
    pub asks: bool,
}

impl Outlet {
    pub fn new(ticket: Ticket) -> Self {
        Outlet {
            ticket,
            via: Via::Client,
            waker: None,
            wants: false,
            direct_writer: None,
            stuck: false,
            released: false,
            promoted: false,
            asks: false,
        }
    }

    /// Notes that the task of `cx` waits for news; `wants` says whether packets are news.
    pub fn wait(&mut self, cx: &mut Context<'_>, wants: bool) {
        self.wants = wants;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    /// Notes that no task waits any more, and returns the one that did.
    pub fn take_waker(&mut self) -> Wake {
        self.wants = false;
        self.waker.take()
    }

    /// What keeps bytes for the client, if there is a direct writer and it has such a thing.
    pub fn connection(&self) -> Option<Arc<dyn Connection>> {
        self.direct_writer.as_ref().and_then(|direct_writer| direct_writer.connection())
    }

    /// Whether there is news besides packets, which must not overtake it.
    pub fn has_news(&self) -> bool {
        self.promoted || self.released || self.asks
    }
}
