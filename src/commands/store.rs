//! The store of the chat, by the settings.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tracing::{info, warn};

use crate::chat::ResumeKey;
use crate::config::{self, DataDir, Settings};
use crate::store::{Durability, Retention, RetentionOf, Store, StoreSettings};

/// The file with the key by which people are known again.
const KEY_FILE: &str = "resume.key";
const KEY_BYTES: usize = 32;

/// Opens the store. If nobody has asked for a folder, and the standard one cannot be used, history is kept in
/// memory.
///
/// # Errors
/// If the folder that the settings name cannot be used.
pub fn open(settings: &Settings) -> Result<Store> {
    let durability = match settings.durability {
        config::Durability::Commit => Durability::Commit,
        config::Durability::Relaxed => Durability::Relaxed,
    };
    let kept = StoreSettings {
        retention: RetentionOf::by(retention(settings)),
        durability,
        ..StoreSettings::default()
    };
    let Some(dir) = settings.data_dir.path() else {
        info!("what is said is kept in memory: with the process it is gone (data-dir)");
        return Ok(Store::memory(kept));
    };
    match (Store::sqlite(dir, kept.clone()), &settings.data_dir) {
        (Ok(store), _) => {
            info!(dir = %dir.display(), "what is said is kept here");
            Ok(store)
        }
        (Err(error), DataDir::Standard) => {
            warn!(%error, "what is said is kept in memory: with the process it is gone (data-dir)");
            Ok(Store::memory(kept))
        }
        (Err(error), _) => Err(error).context("data-dir"),
    }
}

/// How much of each room is kept. When too many rooms have a log, those that the settings name do not lose theirs to others.
fn retention(settings: &Settings) -> impl Fn(&str) -> Retention + use<> {
    let rules = settings.room_rules();
    let names = settings.rooms.clone();
    move |room| {
        let (rule, rest) = (rules.of(room), Retention::default());
        Retention {
            messages: rule.history.unwrap_or(rest.messages),
            age: rule.history_age.filter(|age| *age > Duration::ZERO),
            bytes: rule.history_bytes.unwrap_or(rest.bytes),
            stays: names.lists(room) || rules.names(room),
        }
    }
}

/// The key by which people are known again: that of the cluster, or one that is kept beside the history; `None`
/// for a key of this process.
///
/// # Errors
/// If the file with the key cannot be read or made.
pub fn resume_key(settings: &Settings, store: &Store) -> Result<Option<ResumeKey>> {
    if let Some(key) = &settings.cluster_key {
        return Ok(Some(ResumeKey::from_secret(key.as_bytes())));
    }
    let Some(dir) = settings.data_dir.path().filter(|_| store.is_durable()) else {
        return Ok(None);
    };
    let path = dir.join(KEY_FILE);
    let secret = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(&path),
        read => read,
    };
    let secret = secret.with_context(|| format!("data-dir: {}", path.display()))?;
    if secret.len() < KEY_BYTES {
        bail!(
            "data-dir: {} is no key: remove it, and people are asked for their names",
            path.display()
        );
    }
    Ok(Some(ResumeKey::from_secret(&secret)))
}

/// Makes a random key in a file that nobody else can read.
fn make_key(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut secret = vec![0; KEY_BYTES];
    getrandom::fill(&mut secret)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FileContent, Layer, Layers, Sources};

    #[test]
    fn a_room_that_the_settings_name_keeps_its_log() {
        let sources = Sources { flags: Layer::default(), file: None, port: None };
        let mut layers = Layers::read(sources, &crate::transport::names()).unwrap();
        let text = "rooms = [\"listed\", \"open-*\"]\n[[room]]\nnames = [\"open-*\", \"/open-hall\"]\nhistory = 7";
        layers.apply_file(FileContent::Text(text.into())).unwrap();
        let of = retention(&layers.settings().unwrap());
        let kept =
            ["/listed", "/open-hall", "/open-x"].map(|room| (of(room).messages, of(room).stays));
        assert_eq!(kept, [(100_000, true), (7, true), (7, false)]);
    }
}
