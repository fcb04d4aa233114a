//! The layers of settings. They are kept separate, so that a change of one keeps the others.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;

use super::file::position;
use super::validate::Invalid;
use super::{ConfigError, DEFAULT_FILE, LIVE, Layer, Settings};
use crate::files;

/// Bytes of the settings file.
const LARGEST_FILE: u64 = 1 << 20;

/// The sources of settings at the start.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Flags and `PARLANCE_*` variables.
    pub flags: Layer,
    /// The file that the operator names. `None` for [`DEFAULT_FILE`], which may be missing.
    pub file: Option<PathBuf>,
    /// The variable `PORT`, which hosting platforms set.
    pub port: Option<String>,
}

/// The result of reading the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FileContent {
    /// The text of the file.
    Text(String),
    /// There is no file.
    Missing,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl FileContent {
    /// Reads the file. Blocks on the disk only: a path that is not a regular file is an error.
    pub fn read(path: &Path) -> Self {
        match files::read_text(path, LARGEST_FILE) {
            Ok(text) => FileContent::Text(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => FileContent::Missing,
            Err(error) => FileContent::Unreadable(error.to_string()),
        }
    }
}

/// All layers above the defaults. From the weakest to the strongest: the file, `PORT`, the environment,
/// flags, the administrator.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The names of the transports.
    known: Vec<&'static str>,
    path: PathBuf,
    /// Whether the operator named the file. Then it must exist.
    named: bool,
    /// The file's layer in force.
    file: Layer,
    /// The file as last read, and the error if it is not in force.
    last_file: (FileContent, Option<String>),
    /// Flags, environment and `PORT`, which never change.
    fixed: Layer,
    /// The administrator's layer, in the form of a file.
    administrator: toml::Table,
}

impl Layers {
    /// Reads the layers at the start.
    ///
    /// # Errors
    /// The first error in any of them.
    pub fn read(sources: Sources, known: &[&'static str]) -> Result<Self, ConfigError> {
        let mut layers = Layers::without_file(sources, known)?;
        let content = FileContent::read(&layers.path);
        layers.apply_file(content)?;
        Ok(layers)
    }

    fn without_file(sources: Sources, known: &[&'static str]) -> Result<Self, ConfigError> {
        let Sources { flags, file, port } = sources;
        flags
            .validate(known)
            .map_err(|Invalid { key, message, .. }| ConfigError::Flag { key, message })?;
        // `PORT` is not even parsed if a flag or `PARLANCE_PORT` sets the port.
        let port = port.filter(|value| flags.port.is_none() && !value.is_empty());
        let port = port.map(|value| value.parse().map_err(|_| ConfigError::Port { value }));
        let fixed = flags.over(Layer { port: port.transpose()?, ..Layer::default() });
        let named = file.is_some();
        Ok(Layers {
            known: known.to_vec(),
            path: file.unwrap_or_else(|| DEFAULT_FILE.into()),
            named,
            file: Layer::default(),
            last_file: (FileContent::Missing, None),
            fixed,
            administrator: toml::Table::new(),
        })
    }

    /// The path of the settings file, which may be missing.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as given to the last [`Layers::apply_file`], whether that succeeded or not.
    pub fn last_file(&self) -> &FileContent {
        &self.last_file.0
    }

    /// The error of the last [`Layers::apply_file`], if it failed.
    pub fn file_error(&self) -> Option<&str> {
        self.last_file.1.as_deref()
    }

    /// Whether there is a file without any settings. Most likely it is being written.
    pub fn file_is_blank(&self) -> bool {
        matches!(self.last_file.0, FileContent::Text(_)) && self.file == Layer::default()
    }

    /// The settings that result from all layers.
    ///
    /// # Errors
    /// If settings contradict each other.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        self.with(&self.file, &self.administrator)
    }

    /// The settings of another process, which has these flags, and else what is set here.
    ///
    /// # Errors
    /// If a flag is wrong, or settings contradict each other.
    pub fn with_flags(&self, flags: Layer) -> Result<Settings, ConfigError> {
        flags
            .validate(&self.known)
            .map_err(|Invalid { key, message, .. }| ConfigError::Flag { key, message })?;
        let fixed = flags.over(self.fixed.clone());
        Layers { fixed, ..self.clone() }.settings()
    }

    /// Replaces the file's layer, and returns the settings that result from all layers.
    ///
    /// # Errors
    /// If the file is wrong, or the settings contradict each other, or the file has lost all its settings:
    /// nobody writes such a file on purpose, and the defaults would allow more than the file did. Then no
    /// setting changes.
    pub fn apply_file(&mut self, content: FileContent) -> Result<Settings, ConfigError> {
        let taken = self.parsed(&content).and_then(|file| {
            let settings = self.with(&file, &self.administrator)?;
            Ok((file, settings))
        });
        self.last_file = (content, taken.as_ref().err().map(ToString::to_string));
        let (file, settings) = taken?;
        self.file = file;
        Ok(settings)
    }

    /// Sets the keys of a text, which has the form of the file, in the administrator's layer. Returns the
    /// settings that result from all layers.
    ///
    /// # Errors
    /// If the text is wrong, or has keys that need a restart. Then no setting changes.
    pub fn set_admin(&mut self, text: &str) -> Result<Settings, ConfigError> {
        let at = |offset: usize, message: String| {
            let (line, column) = position(text, offset);
            ConfigError::File { path: "body".into(), line, column, message }
        };
        Layer::from_text(text, Path::new("body"), &self.known)?;
        let table = toml::de::DeTable::parse(text).ok();
        let mut keys = table.iter().flat_map(|table| table.get_ref().keys());
        if let Some(key) = keys.find(|key| !LIVE.contains(&&**key.get_ref())) {
            let message = format!("{}: it changes with a restart only", key.get_ref());
            return Err(at(key.span().start, message));
        }
        let mut administrator = self.administrator.clone();
        let added: toml::Table = text.parse().map_err(|error| at(0, format!("{error}")))?;
        administrator.extend(added);
        self.set_administrator(administrator)
    }

    /// Removes a key, or all keys, from the administrator's layer. Returns the settings that result from
    /// all layers.
    ///
    /// # Errors
    /// If there is no such key, or the other settings contradict each other without it. Then no setting
    /// changes.
    pub fn clear_admin(&mut self, key: Option<&str>) -> Result<Settings, ConfigError> {
        let mut administrator = self.administrator.clone();
        match key {
            Some(key) if !LIVE.contains(&key) => {
                return Err(ConfigError::NotLive { key: key.chars().take(64).collect() });
            }
            Some(key) => drop(administrator.remove(key)),
            None => administrator.clear(),
        }
        self.set_administrator(administrator)
    }

    /// The administrator's layer, by key.
    pub fn administrator(&self) -> &toml::Table {
        &self.administrator
    }

    fn set_administrator(&mut self, administrator: toml::Table) -> Result<Settings, ConfigError> {
        let settings = self.with(&self.file, &administrator)?;
        self.administrator = administrator;
        Ok(settings)
    }

    fn with(&self, file: &Layer, administrator: &toml::Table) -> Result<Settings, ConfigError> {
        // Cannot fail: each of its keys was parsed when it was added.
        let top = Layer::deserialize(administrator.clone())
            .map_err(|error| ConfigError::Administrator { message: error.to_string() })?;
        let layer = top.over(self.fixed.clone().over(file.clone()));
        let settings = Settings::complete(layer, &self.known);
        settings.check_consistency()?;
        Ok(settings)
    }

    fn parsed(&self, content: &FileContent) -> Result<Layer, ConfigError> {
        let path = self.path.clone();
        let had_some = self.file != Layer::default();
        let text = match content {
            FileContent::Text(text) => text,
            FileContent::Missing if had_some => return Err(ConfigError::Gone { path }),
            FileContent::Missing if self.named => {
                return Err(ConfigError::Unreadable { path, why: "it is not there".into() });
            }
            FileContent::Missing => return Ok(Layer::default()),
            FileContent::Unreadable(why) => {
                return Err(ConfigError::Unreadable { path, why: why.clone() });
            }
        };
        let layer = Layer::from_text(text, &path, &self.known)?;
        match had_some && layer == Layer::default() {
            true => Err(ConfigError::Blank { path }),
            false => Ok(layer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["websocket", "xhr-polling", "jsonp-polling"];

    fn layers(flags: Layer, port: Option<&str>) -> Result<Layers, String> {
        let sources = Sources { flags, file: None, port: port.map(str::to_owned) };
        Layers::without_file(sources, &KNOWN).map_err(|error| error.to_string())
    }

    fn text(text: &str) -> FileContent {
        FileContent::Text(text.into())
    }

    /// `max-websockets`, `max-sessions`, the names of `origins`.
    fn facts(layers: &Layers) -> (usize, usize, String) {
        let policy = layers.settings().unwrap().policy;
        (policy.caps.websockets, policy.caps.sessions, policy.origins.names().join(","))
    }

    #[test]
    fn the_administrator_wins_over_flags_and_these_over_the_file() {
        let flags = Layer { max_websockets: Some(2), ..Layer::default() };
        let mut layers = layers(flags, None).unwrap();
        let file = "max-websockets = 1\nmax-sessions = 1\norigins = [\"https://a.example\"]";
        layers.apply_file(text(file)).unwrap();
        assert_eq!(facts(&layers), (2, 1, "https://a.example".into()));
        layers.set_admin("max-websockets = 3").unwrap();
        layers.set_admin("max-sessions = 3").unwrap();
        assert_eq!(facts(&layers), (3, 3, "https://a.example".into()), "one adds to the other");
        layers.apply_file(text("max-sessions = 7\norigins = [\"https://b.example\"]")).unwrap();
        assert_eq!(facts(&layers), (3, 3, "https://b.example".into()), "it stays over a reload");
        layers.set_admin("max-sessions = 4").unwrap();
        assert_eq!(
            serde_json::to_value(layers.administrator()).unwrap(),
            serde_json::json!({ "max-sessions": 4, "max-websockets": 3 })
        );
        layers.clear_admin(Some("max-sessions")).unwrap();
        layers.clear_admin(Some("breaker-failures")).unwrap();
        assert_eq!(facts(&layers), (3, 7, "https://b.example".into()));
        layers.clear_admin(None).unwrap();
        assert_eq!(facts(&layers), (2, 7, "https://b.example".into()));
    }

    #[test]
    fn what_cannot_be_changes_no_layer() {
        let mut layers = layers(Layer::default(), None).unwrap();
        layers.apply_file(text("max-sessions = 1\norigins = [\"https://a.example\"]")).unwrap();
        layers.set_admin("max-websockets = 3\nproxy-protocol = true").unwrap_err();
        layers.set_admin("max-websockets = 3").unwrap();
        for (wrong, expected) in [
            ("max-websockets = -1", "body:1:18: "),
            ("\nport = 1", "body:2:1: port: it changes with a restart only"),
            ("max-websockets = 4\nno-such-key = 1", "body:2:1: unknown field"),
            ("max-websockets", "body:1:"),
        ] {
            let error = layers.set_admin(wrong).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let error = layers.clear_admin(Some("port")).unwrap_err().to_string();
        assert!(error.starts_with("`port` is no setting that changes without"), "{error}");
        for (content, expected) in [
            (text(""), "transports.toml has no settings any more"),
            (text("# max-sessions = 1\n\n"), "transports.toml has no settings any more"),
            (FileContent::Missing, "transports.toml is gone"),
            (FileContent::Unreadable("it is a folder".into()), "cannot be read: it is a folder"),
            (text("max-sessions = 0\norigins = ["), "transports.toml:2:"),
            (text("max-sessions = 0\nproxy-protocol = true"), "proxy-protocol: nobody could"),
        ] {
            let error = layers.apply_file(content.clone()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!((layers.last_file(), layers.file_error()), (&content, Some(error.as_str())));
            assert_eq!(facts(&layers), (3, 1, "https://a.example".into()), "{expected}");
            // An error in the file does not prevent changes by the administrator.
            layers.set_admin("max-websockets = 4").unwrap();
            assert_eq!(facts(&layers), (4, 1, "https://a.example".into()), "{expected}");
            layers.set_admin("max-websockets = 3").unwrap();
        }
        // The administrator's layer must not contradict the file's.
        layers.apply_file(text("trusted-proxies = [\"loopback\"]\nproxy-protocol = true")).unwrap();
        let error = layers.set_admin("trusted-proxies = []").unwrap_err().to_string();
        assert!(error.starts_with("proxy-protocol: nobody could connect"), "{error}");
        assert_eq!(layers.file_error(), None);
    }

    /// After any sequence of changes, each setting has the value of the topmost layer that sets it.
    #[test]
    fn no_change_forgets_what_another_said() {
        const KEYS: [&str; 3] = ["max-sessions", "max-websockets", "handshake-rate"];
        let in_force = |layers: &Layers| {
            let caps = layers.settings().unwrap().policy.caps;
            [caps.sessions, caps.websockets, caps.handshakes_per_address as usize]
        };
        let flags = Layer { max_websockets: Some(77), ..Layer::default() };
        let mut layers = layers(flags, None).unwrap();
        let defaults = in_force(&layers);
        let mut file = [None; 3];
        let mut administrator = [None; 3];
        let mut random = 1_u64;
        for step in 1..3000 {
            let mut draw = |below: usize| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) as usize % below
            };
            // Some of the keys, each with a number of its own.
            let values: [Option<usize>; 3] =
                std::array::from_fn(|key| (draw(2) == 0).then_some(step * 3 + key));
            let lines = KEYS.iter().zip(values).filter_map(|(key, value)| Some((key, value?)));
            let lines: String = lines.map(|(key, value)| format!("{key} = {value}\n")).collect();
            match draw(6) {
                0 => {
                    let blank = lines.is_empty() && file != [None; 3];
                    assert_eq!(layers.apply_file(text(&lines)).is_err(), blank);
                    file = if blank { file } else { values };
                }
                1 => drop(layers.apply_file(text(&format!("{lines}broken"))).unwrap_err()),
                2 => {
                    layers.set_admin(&lines).unwrap();
                    administrator = std::array::from_fn(|key| values[key].or(administrator[key]));
                }
                3 => drop(layers.set_admin(&format!("{lines}port = 1")).unwrap_err()),
                4 => {
                    let key = draw(3);
                    layers.clear_admin(Some(KEYS[key])).unwrap();
                    administrator[key] = None;
                }
                _ if draw(5) == 0 => {
                    layers.clear_admin(None).unwrap();
                    administrator = [None; 3];
                }
                _ => {
                    assert_eq!(layers.apply_file(FileContent::Missing).is_err(), file != [None; 3])
                }
            }
            let flags = [None, Some(77), None];
            let expected = std::array::from_fn(|key| {
                administrator[key].or(flags[key]).or(file[key]).unwrap_or(defaults[key])
            });
            assert_eq!(in_force(&layers), expected, "step {step}");
        }
    }

    #[test]
    fn a_file_that_never_said_anything_may_go_on_so() {
        let mut layers = layers(Layer::default(), None).unwrap();
        for content in [FileContent::Missing, text(""), text("# nothing"), FileContent::Missing] {
            layers.apply_file(content).unwrap();
            assert_eq!(layers.file_error(), None);
            assert_eq!(layers.file_is_blank(), layers.last_file() != &FileContent::Missing);
        }
        layers.apply_file(text("port = 1")).unwrap();
        assert!(!layers.file_is_blank());
        let named = Sources { file: Some("t.toml".into()), ..Sources::default() };
        let mut named = Layers::without_file(named, &KNOWN).unwrap();
        let error = named.apply_file(FileContent::Missing).unwrap_err().to_string();
        assert_eq!(error, "t.toml cannot be read: it is not there");
        named.apply_file(text("")).unwrap();
    }

    #[test]
    fn the_platform_s_port_is_asked_for_where_nobody_chose_one() {
        let flag = || Layer { port: Some(1), ..Layer::default() };
        for (flags, port, file, expected) in [
            (flag(), Some("99999"), "port = 2", Ok(1)),
            (flag(), Some("3"), "port = 2", Ok(1)),
            (Layer::default(), Some("3"), "port = 2", Ok(3)),
            (Layer::default(), Some(""), "port = 2", Ok(2)),
            (Layer::default(), None, "port = 2", Ok(2)),
            (Layer::default(), None, "", Ok(3000)),
            (Layer::default(), Some("99999"), "port = 2", Err("PORT: `99999` is no port number")),
        ] {
            let result =
                layers(flags, port).map(|mut layers| layers.apply_file(text(file)).unwrap().port);
            assert_eq!(result, expected.map_err(str::to_owned));
        }
    }
}
