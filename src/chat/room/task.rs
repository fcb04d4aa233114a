//! The room's task.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Input, Room};
use crate::chat::ChatSettings;
use crate::chat::arrivals::Arrivals;
use crate::chat::on_login::OnLogin;
use crate::chat::stats::ChatStats;
use crate::engine::{Cork, Sid};

/// Inputs handled between two flushes.
const BATCH: usize = 64;

/// The task of a [`Chat`](crate::chat::Chat).
#[derive(Debug)]
pub struct RoomTask {
    room: Room,
    inbox: mpsc::Receiver<Input>,
}

impl RoomTask {
    pub(in crate::chat) fn new(
        settings: ChatSettings,
        (sender, inbox): (mpsc::WeakSender<Input>, mpsc::Receiver<Input>),
        arrivals: Arc<Arrivals>,
        stats: Arc<ChatStats>,
    ) -> Self {
        RoomTask { room: Room::new(settings, stats, sender, arrivals), inbox }
    }

    /// Has a function called with each name that somebody takes.
    #[must_use]
    pub fn on_login(mut self, told: impl Fn(Sid, &str) + Send + 'static) -> Self {
        self.room.on_login = Some(OnLogin::new(told));
        self
    }

    /// Runs until the chat is dropped.
    pub async fn run(mut self) {
        let RoomTask { room, inbox } = &mut self;
        let mut batch = Vec::with_capacity(BATCH);
        // Coalesces the packets queued for one session between two flushes into one write.
        let mut cork = Cork::default();
        loop {
            if cork.is_idle() {
                tokio::select! {
                    biased;
                    count = inbox.recv_many(&mut batch, BATCH) => if count == 0 {
                        return;
                    },
                    () = cork.due() => {}
                }
            } else {
                batch.extend(std::iter::from_fn(|| inbox.try_recv().ok()).take(BATCH));
            }
            cork.hold(|| {
                batch.drain(..).for_each(|input| room.handle(input));
                room.send_nicknames();
            });
            cork.release().await;
        }
    }
}
