//! Follows files that may change while the process runs: the settings, the certificates.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The time between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads files again and again, and hands out what they say when it has changed. It remembers a number
/// of what they said, not the contents, which may be a key.
pub struct Watch<T> {
    read: Arc<dyn Fn() -> T + Send + Sync>,
    /// What was there at the last look.
    seen: u64,
    /// What was handed out last.
    handed_out: u64,
    ticks: Interval,
    /// A look that has begun.
    looking: Option<JoinHandle<T>>,
}

impl<T: Hash + Send + 'static> Watch<T> {
    /// Looks with `read`, which may block for a moment. `known` is the [`fingerprint`] of what is in
    /// force already.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(known: u64, read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Watch { read: Arc::new(read), seen: known, handed_out: known, ticks, looking: None }
    }

    /// Waits for a [`look`](Self::look) with news; one look in 2 s. If the future is dropped before it
    /// is ready, the next call goes on where it was.
    pub async fn changed(&mut self) -> T {
        loop {
            if self.looking.is_none() {
                self.ticks.tick().await;
            }
            if let Some(found) = self.look().await {
                return found;
            }
        }
    }

    /// Looks once. Returns what is there if it was not handed out before, and was the same at the look
    /// before this one: files are not written in one go.
    pub async fn look(&mut self) -> Option<T> {
        let found = self.read().await?;
        let fingerprint = fingerprint(&found);
        let settled = fingerprint == std::mem::replace(&mut self.seen, fingerprint);
        if !settled || fingerprint == self.handed_out {
            return None;
        }
        self.handed_out = fingerprint;
        Some(found)
    }

    /// Reads the files now, and returns what is there, changed or not. `None` only if the process ends
    /// meanwhile.
    pub async fn now(&mut self) -> Option<T> {
        // A look that has begun may have read the files before they were changed.
        self.looking = None;
        let found = self.read().await?;
        self.seen = fingerprint(&found);
        self.handed_out = self.seen;
        Some(found)
    }

    async fn read(&mut self) -> Option<T> {
        let looking = self.looking.get_or_insert_with(|| {
            let read = Arc::clone(&self.read);
            spawn_blocking(move || read())
        });
        let found = looking.await;
        self.looking = None;
        found.ok()
    }
}

/// Tells one state of files from another, within this process.
pub fn fingerprint<T: Hash>(found: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    found.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::timeout;

    use super::*;

    /// A file of one word, and who follows it.
    fn follow(text: &'static str) -> (Arc<Mutex<&'static str>>, Watch<&'static str>) {
        let file = Arc::new(Mutex::new(text));
        let read = Arc::clone(&file);
        (file, Watch::new(fingerprint(&text), move || *read.lock().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_changed_is_handed_out_once_it_is_settled() {
        let (file, mut watch) = follow("old");
        assert_eq!(watch.look().await, None);
        *file.lock().unwrap() = "half";
        assert_eq!(watch.look().await, None);
        *file.lock().unwrap() = "new";
        assert_eq!(watch.look().await, None, "it has changed again");
        assert_eq!(watch.look().await, Some("new"));
        assert_eq!(watch.look().await, None, "once");
        *file.lock().unwrap() = "half";
        assert_eq!(watch.look().await, None);
        *file.lock().unwrap() = "new";
        assert_eq!(watch.look().await, None);
        assert_eq!(watch.look().await, None, "what is in force is no news");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_gets_what_is_there() {
        let (file, mut watch) = follow("old");
        assert_eq!(watch.now().await, Some("old"));
        *file.lock().unwrap() = "new";
        assert_eq!(watch.now().await, Some("new"));
        assert_eq!(watch.look().await, None);
        assert_eq!(watch.look().await, None, "it was handed out");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_may_be_broken_off_at_any_time() {
        let (file, mut watch) = follow("old");
        assert!(timeout(PAUSE * 3, watch.changed()).await.is_err());
        *file.lock().unwrap() = "new";
        let mut tries = 0;
        let found = loop {
            tries += 1;
            match timeout(PAUSE / 3, watch.changed()).await {
                Ok(found) => break found,
                Err(_) => assert!(tries < 20, "its looks are lost"),
            }
        };
        assert_eq!(found, "new");
    }
}
