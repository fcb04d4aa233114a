//! The room's task.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Input, Room};
use crate::chat::arrivals::Arrivals;
use crate::chat::shared::Shared;
use crate::engine::Cork;
use crate::socketio::Namespace;

/// Inputs handled between two flushes.
const BATCH: usize = 64;

/// The task of a room.
#[derive(Debug)]
pub(in crate::chat) struct RoomTask {
    room: Room,
    inbox: mpsc::Receiver<Input>,
}

impl RoomTask {
    pub(in crate::chat) fn new(
        namespace: &Namespace,
        (sender, inbox): (mpsc::WeakSender<Input>, mpsc::Receiver<Input>),
        arrivals: Arc<Arrivals>,
        shared: &Arc<Shared>,
        people: Arc<AtomicUsize>,
    ) -> Self {
        let mut room = Room::new(namespace.name(), Arc::clone(shared), sender, arrivals);
        room.counted.also(people);
        room.serve(Arc::downgrade(namespace.adapter()));
        RoomTask { room, inbox }
    }

    /// Runs until nobody can say anything to the room any more.
    pub async fn run(mut self) {
        let RoomTask { room, inbox } = &mut self;
        room.open_log().await;
        room.recall_slow();
        room.recover();
        let mut batch = Vec::with_capacity(BATCH);
        // Coalesces the packets queued for one session between two flushes into one write.
        let mut cork = Cork::default();
        loop {
            if cork.is_idle() {
                let due = room.away.next().into_iter().chain(room.expiries.next()).min();
                tokio::select! {
                    biased;
                    count = inbox.recv_many(&mut batch, BATCH) => if count == 0 {
                        room.note_place();
                        return room.forget_absent();
                    },
                    () = cork.due() => {}
                    () = until(due) => {}
                    () = room.reads.next() => {}
                }
            } else {
                batch.extend(std::iter::from_fn(|| inbox.try_recv().ok()).take(BATCH));
            }
            cork.hold(|| {
                batch.drain(..).for_each(|input| room.handle(input));
                room.look_for_absent();
                room.look_for_expired();
                room.send_nicknames();
                room.arrivals.set_unheard(room.members.is_empty());
            });
            cork.release().await;
        }
    }
}

/// Waits for a time, or without end.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
