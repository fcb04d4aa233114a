//! What all rooms of a chat have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::time::Instant;

use super::ChatSettings;
use super::on_login::OnLogin;
use super::rate_limits::{Kind, RateLimited, RateLimits};
use super::resume::ResumeKey;
use super::room;
use super::rooms::Rooms;
use super::sanctions::Sanctions;
use super::skeleton::Reserved;
use super::stats::ChatStats;
use crate::engine::Session;
use crate::logged_names::LoggedNames;

#[derive(Debug)]
pub(super) struct Shared {
    pub settings: ChatSettings,
    pub stats: Arc<ChatStats>,
    /// In all rooms together, so that who is in many may not say more.
    rate_limits: Mutex<RateLimits>,
    /// Bytes of the longest message that rate limits let through.
    pub longest_message: usize,
    /// Events that the chat does not know. Strangers can name as many as they like.
    pub unknown_events: LoggedNames<64>,
    pub on_login: OnceLock<OnLogin>,
    /// Names that nobody may have.
    pub reserved: Reserved,
    /// By which people are known again, in all rooms. `None` if the system gives no randomness.
    pub resume_key: Option<ResumeKey>,
    /// Who is muted or banned.
    pub sanctions: Sanctions,
    /// All rooms.
    pub rooms: OnceLock<Weak<Rooms>>,
    /// Rooms that are open on other nodes, by their namespaces, and how many people are in each on all nodes.
    rooms_elsewhere: Mutex<BTreeMap<String, usize>>,
}

impl Shared {
    pub fn new(settings: ChatSettings) -> Self {
        let stats = Arc::<ChatStats>::default();
        let rate_limits = RateLimits::new(&settings, Arc::clone(&stats));
        let longest_message = settings.message_max.min(rate_limits.longest_message());
        let reserved = room::reserved(&settings);
        let resume_key = settings.resume_key.clone().or_else(ResumeKey::random);
        Shared {
            settings,
            stats,
            rate_limits: Mutex::new(rate_limits),
            longest_message,
            unknown_events: LoggedNames::default(),
            on_login: OnceLock::new(),
            reserved,
            resume_key,
            sanctions: Sanctions::default(),
            rooms: OnceLock::new(),
            rooms_elsewhere: Mutex::default(),
        }
    }

    /// The namespaces of the rooms that are open on this node, and how many people are in each, on all nodes.
    pub fn rooms_here(&self) -> Vec<(String, usize)> {
        let rooms = self.rooms.get().and_then(Weak::upgrade);
        rooms.map(|rooms| rooms.listed()).unwrap_or_default()
    }

    /// The same of all nodes.
    pub fn rooms(&self) -> BTreeMap<String, usize> {
        let elsewhere = self.rooms_elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rooms = elsewhere.clone();
        drop(elsewhere);
        // This node has the exact number for rooms that are open here. In a room that has just been opened, it is right only
        // when other nodes have told their people.
        rooms.extend(self.rooms_here());
        rooms
    }

    /// Other nodes have told of these rooms.
    pub fn set_rooms_elsewhere(&self, rooms: BTreeMap<String, usize>) {
        *self.rooms_elsewhere.lock().unwrap_or_else(PoisonError::into_inner) = rooms;
    }

    /// Takes what something costs from the buckets of a session and of its address.
    ///
    /// # Errors
    /// If there is too little in one of them.
    pub fn take(&self, session: &Session, costs: &[(Kind, usize)]) -> Result<(), RateLimited> {
        let mut rate_limits = self.rate_limits.lock().unwrap_or_else(PoisonError::into_inner);
        rate_limits.take(session, costs, Instant::now())
    }
}
