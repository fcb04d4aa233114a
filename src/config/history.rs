//! Where what is said is kept, and when that is acknowledged.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where what is said is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDir {
    /// In memory.
    None,
    /// In `data`, as far as that can be had: nobody has asked for it.
    Standard,
    /// In this folder.
    At(PathBuf),
}

impl DataDir {
    /// Reads the setting.
    pub(super) fn of(setting: Option<PathBuf>) -> Self {
        match setting {
            None => DataDir::Standard,
            Some(dir) if dir.as_os_str() == "none" => DataDir::None,
            Some(dir) => DataDir::At(dir),
        }
    }

    /// The folder; `None` if there is none.
    pub fn path(&self) -> Option<&Path> {
        match self {
            DataDir::None => None,
            DataDir::Standard => Some(Path::new("data")),
            DataDir::At(dir) => Some(dir),
        }
    }
}

/// When a message is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the disk has it.
    #[default]
    Commit,
    /// At once.
    Relaxed,
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "commit" => Ok(Durability::Commit),
            "relaxed" => Ok(Durability::Relaxed),
            _ => Err(format!("expected commit or relaxed, not {text:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_and_when() {
        let path = |text: Option<&str>| DataDir::of(text.map(PathBuf::from));
        assert_eq!(path(None).path(), Some(Path::new("data")));
        assert_eq!(path(Some("none")).path(), None);
        assert_eq!(path(Some("/var/x")), DataDir::At("/var/x".into()));
        assert_eq!("relaxed".parse(), Ok(Durability::Relaxed));
        assert_eq!("commit".parse(), Ok(Durability::default()));
        assert!("Commit".parse::<Durability>().is_err());
    }
}
