//! Watches how each WebSocket fares.

use std::sync::Arc;

use tokio::time::Instant;

use super::census::WebSocketSeat;
use super::gate::Gate;
use crate::engine::{CloseReason, Session};
use crate::policy::Client;
use crate::policy::healing::{Fared, YOUNG};

/// Takes up a place among the WebSockets, and tells the gate how this one fared.
pub struct Monitor {
    gate: Arc<Gate>,
    client: Client,
    since: Instant,
    heard: bool,
    told: bool,
    _place: WebSocketSeat,
}

/// How a WebSocket came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client closed it in good order.
    Closed,
    /// The connection broke.
    Lost,
    /// The server closed it.
    ByUs,
    /// Its client went on by another transport.
    GivenUp,
}

impl Monitor {
    pub(super) fn new(gate: Arc<Gate>, client: Client, place: WebSocketSeat) -> Self {
        let since = Instant::now();
        Monitor { gate, client, since, heard: false, told: false, _place: place }
    }

    /// Something came from the client. To be called before the session hears of it.
    pub fn heard(&mut self) {
        self.heard = true;
        if !self.told && self.since.elapsed() >= YOUNG {
            self.told = true;
            self.gate.note(self.client, Fared::Well);
        }
    }

    /// The WebSocket is over. To be called before the session hears of it.
    pub fn ended(&mut self, how: Ended, session: &Session) {
        if ended_for_all(session) {
            return;
        }
        // A close frame is a sign of life, too.
        let heard = self.heard || how == Ended::Closed;
        let fared = match how {
            _ if !heard => Fared::Silent,
            Ended::Lost if self.since.elapsed() < YOUNG => Fared::DiedYoung,
            _ => Fared::Well,
        };
        if !std::mem::replace(&mut self.told, true) {
            self.gate.note(self.client, fared);
        }
    }
}

/// Whether the server itself ended the session, whatever carried it: no fault of the way.
fn ended_for_all(session: &Session) -> bool {
    session.close_reason().is_some_and(|reason| {
        matches!(
            reason,
            CloseReason::ShuttingDown | CloseReason::Moved(_) | CloseReason::ServerClosed
        )
    })
}
