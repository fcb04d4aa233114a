//! Where the keys are: what is fixed from the start, or a file or URL that is read again and again.
//!
//! One task reads, and whoever checks a token looks at what it has read last. So keys that were good stay good
//! while nothing answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::keys::Key;
use super::token::Token;
use super::{fetch, key_files};
use crate::files;

/// How often the keys are read, in case one was taken out.
const EVERY: Duration = Duration::from_secs(600);
/// How often they are read at most, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a token with an unknown key waits for the keys to be read.
const PATIENCE: Duration = Duration::from_secs(6);

/// Where keys are read.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A secret for HS256.
    Secret(Vec<u8>),
    /// A file: PEM, or a set of keys.
    File(PathBuf),
    /// A set of keys, or PEM.
    Url(Uri),
}

/// The keys, as they were read last.
#[derive(Debug, Clone, Default)]
struct Known {
    keys: Arc<[Key]>,
    /// When they were asked for last, whatever came of it.
    asked: Option<Instant>,
}

#[derive(Debug)]
pub struct Source {
    origin: Origin,
    known: watch::Sender<Known>,
    wanted: Notify,
}

impl Source {
    /// Of a secret, or of a file whose keys are read at once; those of a URL are fetched by [`Source::run`].
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(origin: Origin) -> Result<Self, String> {
        let keys = match &origin {
            Origin::Secret(secret) => vec![Key::secret(secret)],
            Origin::File(path) => of_file(path)?,
            Origin::Url(_) => Vec::new(),
        };
        let known = Known { keys: keys.into(), asked: None };
        Ok(Source { origin, known: watch::Sender::new(known), wanted: Notify::new() })
    }

    /// The keys. If none of them can have signed the token, they are read anew before, unless that was done
    /// just now.
    pub async fn keys_for(&self, token: &Token<'_>) -> Arc<[Key]> {
        let mut changes = self.known.subscribe();
        let known = changes.borrow_and_update().clone();
        let has_it = known.keys.iter().any(|key| token.may_be_of(key));
        let is_new = known.asked.is_some_and(|asked| Instant::now() < asked + PAUSE);
        if has_it || is_new || matches!(self.origin, Origin::Secret(_)) {
            return known.keys;
        }
        self.wanted.notify_one();
        let _ = timeout(PATIENCE, changes.changed()).await;
        Arc::clone(&changes.borrow().keys)
    }

    /// Whether there are keys at all.
    pub fn is_empty(&self) -> bool {
        self.known.borrow().keys.is_empty()
    }

    /// Reads the keys from time to time, and when they are wanted. Runs without end.
    pub async fn run(&self) {
        if matches!(self.origin, Origin::Secret(_)) {
            return std::future::pending().await;
        }
        let mut works = true;
        loop {
            let found = match &self.origin {
                Origin::Url(url) => match fetch::get(url).await {
                    Ok(body) => key_files::read(&body),
                    Err(error) => Err(error),
                },
                Origin::File(path) => {
                    let path = path.clone();
                    let read = tokio::task::spawn_blocking(move || of_file(&path)).await;
                    read.unwrap_or_else(|error| Err(error.to_string()))
                }
                Origin::Secret(_) => return,
            };
            let now = Instant::now();
            match found {
                Ok(keys) => {
                    if !works || self.is_empty() {
                        info!(keys = keys.len(), "keys for tokens read");
                    }
                    works = true;
                    self.known.send_replace(Known { keys: keys.into(), asked: Some(now) });
                }
                Err(error) => {
                    if std::mem::take(&mut works) {
                        warn!(%error, "keys for tokens cannot be read: those from before stay in force");
                    }
                    self.known.send_modify(|known| known.asked = Some(now));
                }
            }
            let next = now + if self.is_empty() { PAUSE } else { EVERY };
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.wanted.notified() => sleep_until(now + PAUSE).await,
            }
        }
    }
}

fn of_file(path: &std::path::Path) -> Result<Vec<Key>, String> {
    let bytes = files::read(path, key_files::MAX_BYTES as u64);
    key_files::read(&bytes.map_err(|error| error.to_string())?)
}
