//! `parlance export` and `parlance import`: history as lines of JSON.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::config::Settings;
use crate::store;

/// Bytes read and written at a time.
const BUFFER: usize = 1 << 20;

/// Writes all history of a data directory to a new file, or to standard output. A server may be using it.
///
/// # Errors
/// If the directory cannot be read, or the file is there or cannot be written.
pub fn export(settings: &Settings, file: Option<&Path>) -> Result<()> {
    let dir = data_dir(settings)?;
    let out: Box<dyn Write> = match file {
        Some(path) => {
            let file = File::create_new(path);
            Box::new(file.with_context(|| format!("{} cannot be made", path.display()))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    let moved = store::export(dir, &mut BufWriter::with_capacity(BUFFER, out));
    if moved.is_err() {
        // A part would be taken for all.
        file.map(fs::remove_file).transpose()?;
    }
    let moved = moved?;
    eprintln!("exported {} rooms, {} entries", moved.rooms, moved.entries);
    Ok(())
}

/// Takes what was exported into a data directory that no server uses: all of it, or nothing.
///
/// # Errors
/// If the file cannot be read or is not a whole export, the directory is in use, or a room is there already.
pub fn import(settings: &Settings, file: Option<&Path>) -> Result<()> {
    let dir = data_dir(settings)?;
    let mut input: Box<dyn BufRead> = match file {
        Some(path) => {
            let file = File::open(path);
            let file = file.with_context(|| format!("{} cannot be read", path.display()))?;
            Box::new(BufReader::with_capacity(BUFFER, file))
        }
        None => Box::new(io::stdin().lock()),
    };
    let moved = store::import(dir, &mut *input)?;
    eprintln!("imported {} rooms, {} entries", moved.rooms, moved.entries);
    Ok(())
}

fn data_dir(settings: &Settings) -> Result<&Path> {
    settings.data_dir.path().context("data-dir is none: there is no history in a file")
}
