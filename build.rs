//! Puts together the client library that pages load, `parlance.js`, from the files in `client/`.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=client");
    let mut script = String::new();
    add(&mut script, Path::new("client"), "parlance.js")?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("parlance.js"), script)?;
    Ok(())
}

/// Adds a file, without its indentation, comments and empty lines. A line `//= name` stands for the
/// file of that name. Only a line that begins with `//` is taken for a comment: what follows code may
/// be part of a string.
fn add(script: &mut String, folder: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    for line in text.lines().map(str::trim) {
        if let Some(part) = line.strip_prefix("//= ") {
            add(script, folder, part)?;
        } else if !line.is_empty() && !line.starts_with("//") {
            script.push_str(line);
            script.push('\n');
        }
    }
    Ok(())
}
