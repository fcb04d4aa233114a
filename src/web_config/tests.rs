//! Files that can host Parlance, and files that cannot: `tests/web_config/good` and `bad`.

mod advice;
mod bad;
mod good;
mod patterns;

use std::path::PathBuf;

use super::{Needs, Report, inspect};
use crate::cli::Cli;
use crate::config::{Layer, Layers, Sources};
use crate::transport;

/// Checks a file as `parlance check` does with these flags.
fn checked(bytes: &[u8], flags: &[&str]) -> Report {
    let words: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let flags: Layer = Cli::of_server(&words).unwrap();
    let sources = Sources { flags, ..Sources::default() };
    let layers = Layers::read(sources, &transport::names()).unwrap();
    let settings = layers.settings().unwrap();
    let hosted = |words: &[String]| {
        layers.with_flags(Cli::of_server(words)?).map_err(|error| error.to_string())
    };
    inspect(bytes, &Needs { settings: &settings, hosted: &hosted })
}

/// The files of a folder with their names, sorted by name.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/web_config").join(folder);
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
    };
    let mut files: Vec<_> = std::fs::read_dir(root).unwrap().map(read).collect();
    files.sort();
    files
}
