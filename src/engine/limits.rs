//! Bounds and times of all sessions.

use std::time::Duration;

/// Bounds and times of all sessions.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The time between two heartbeats.
    pub ping_interval: Duration,
    /// How long the answer to a heartbeat may take.
    pub ping_timeout: Duration,
    /// From the first byte of an upgrade to its last packet.
    pub upgrade_timeout: Duration,
    /// Bytes of one HTTP body or WebSocket message.
    pub max_payload: usize,
    /// What may wait for one client.
    pub queue: QueueLimits,
    /// Bytes that may wait for all clients of the process together, 0 for no bound. Over it, the
    /// sessions for which most waits are closed.
    pub queue_total: usize,
    /// Bytes of one streamed response, after which the client has to ask for the next.
    pub stream_bytes: usize,
    /// Whether the answers to polls are compressed for clients that accept it, from 1 KiB on.
    pub http_compression: bool,
    /// How long a session that the server ended waits for a poll to say so.
    pub linger: Duration,
}

impl Default for Limits {
    /// The times and bounds of the reference servers. These do not bound queues: here a queue has
    /// 1 MiB and 4096 packets, and all queues together have 256 MiB.
    fn default() -> Self {
        Limits {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            queue: QueueLimits { bytes: 1 << 20, messages: 4096 },
            queue_total: 256 << 20,
            stream_bytes: 1 << 20,
            http_compression: true,
            linger: Duration::from_secs(30),
        }
    }
}

/// Bounds of one session's outbound queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Bytes of memory: encoded packets, and [`PER_PACKET`] for each.
    pub bytes: usize,
    /// Packets.
    pub messages: usize,
}

impl QueueLimits {
    /// The bounds for a reader that has not been behind for long: half as much again.
    pub(super) fn with_grace(self) -> Self {
        let more = |bound: usize| bound.saturating_add(bound / 2);
        QueueLimits { bytes: more(self.bytes), messages: more(self.messages) }
    }

    /// What is left of them where so many bytes are held elsewhere.
    pub(super) fn less(self, bytes: usize) -> Self {
        QueueLimits { bytes: self.bytes.saturating_sub(bytes), ..self }
    }
}

/// Bytes that a waiting packet costs besides its own: its place in the queue, the head of its
/// allocation and what the allocator rounds up.
pub const PER_PACKET: usize = 128;
