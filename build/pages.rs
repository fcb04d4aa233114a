//! Prepares the files of the pages to be built in: puts the client library together from `client/`, drops
//! comments, gives the pages versioned names of what they load, and compresses everything. It is done here and
//! not when the server runs, because brotli at its best takes a second, and compresses for good.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// The client library. The server inserts the policy's list of transports into it, so what is sent
/// is not known here.
const CLIENT: &str = "parlance.js";
/// The page's reader of the table of causes, and where it says where the table goes.
const CAUSES: (&str, &str) = ("src/diagnosis/causes.js", "/*causes*/[]/*end*/");
const TABLE: &str = "src/diagnosis/causes.json";
/// What a page knows, be it for itself alone: the server names a refusal by what it refused.
const OF_CLIENTS: (&str, &[&str]) =
    ("src/diagnosis/of_clients.rs", &include!("../src/diagnosis/of_clients.rs"));
const OF_PAGES: [&str; 2] = ["refusal", "refusal-text"];
/// Under its name, it is beside the operator's own pages, too.
const CAUSES_NAME: &str = "parlance-causes.js";
/// The modern client, as `make client` bundles it; the files that pages load.
const MODERN: &str = "client/modern/dist";
/// Where pages load it from.
const MODERN_PATH: &str = "socket.io";
/// The administrator's page, below a path of its own, with what it shares with other pages.
const ADMIN: &str = "admin";
const SHARED: [&str; 2] = ["style.css", "icon.svg"];

/// Prepares all files, into the folder of the build.
pub fn build() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=client");
    println!("cargo::rerun-if-changed=static");
    let mut client = String::new();
    add(&mut client, Path::new("client"), CLIENT)?;
    for path in [CAUSES.0, TABLE, OF_CLIENTS.0] {
        println!("cargo::rerun-if-changed={path}");
    }
    let mut files = vec![
        (CLIENT.to_owned(), client.into_bytes()),
        (CAUSES_NAME.to_owned(), page_file(CAUSES_NAME, causes()?.into_bytes())?),
    ];
    for entry in fs::read_dir("static")? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a file name is no text")?;
        if name == ADMIN {
            continue;
        }
        let bytes = page_file(&name, fs::read(entry.path())?)?;
        if SHARED.contains(&name.as_str()) {
            files.push((format!("{ADMIN}/{name}"), bytes.clone()));
        }
        files.push((name, bytes));
    }
    for entry in fs::read_dir(Path::new("static").join(ADMIN))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a file name is no text")?;
        let bytes = page_file(&name, fs::read(entry.path())?)?;
        files.push((format!("{ADMIN}/{name}"), bytes));
    }
    for entry in fs::read_dir(MODERN)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a file name is no text")?;
        if name.contains(".min.js") {
            files.push((format!("{MODERN_PATH}/{name}"), fs::read(entry.path())?));
        }
    }
    files.sort();
    let versioned = files.iter().filter(|(name, _)| name != CLIENT && !is_page(name));
    let versions: Vec<_> = versioned.map(|(name, bytes)| (name.clone(), version(bytes))).collect();
    for (name, bytes) in &mut files {
        if is_page(name) {
            *bytes = with_versions(std::str::from_utf8(bytes)?, &versions).into_bytes();
        }
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::create_dir_all(out.join(MODERN_PATH))?;
    fs::create_dir_all(out.join(ADMIN))?;
    let mut list = String::from("&[\n");
    let mut put = |name: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        fs::write(out.join(name), bytes)?;
        let path = format!("concat!(env!(\"OUT_DIR\"), \"/{name}\")");
        writeln!(list, "({name:?}, {:#x}, include_bytes!({path})),", version(bytes))?;
        Ok(())
    };
    for (name, bytes) in &files {
        put(name, bytes)?;
        if name != CLIENT {
            put(&format!("{name}.gz"), &gzip(bytes)?)?;
            put(&format!("{name}.br"), &brotli(bytes)?)?;
        }
    }
    list.push(']');
    fs::write(out.join("built_in.rs"), list)?;
    Ok(())
}

/// Adds a file. A line `//= name` stands for the file of that name.
fn add(script: &mut String, folder: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    for line in code(&text).map(without_comment) {
        if let Some(part) = line.strip_prefix("//= ") {
            add(script, folder, part)?;
        } else {
            script.push_str(line);
            script.push('\n');
        }
    }
    Ok(())
}

/// The lines of a script or a style sheet, without indentation, comments and empty lines. Only what a line
/// begins with is taken for a comment: for what follows code there is [`without_comment`].
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_comment = false;
    text.lines().map(str::trim).filter(move |line| {
        // A comment that begins with `/*!` is a licence, and stays.
        let begins = line.starts_with("/*") && !line.starts_with("/*!");
        let was_comment = is_comment;
        is_comment = (was_comment || begins) && !line.contains("*/");
        let is_whole = begins && line.ends_with("*/") && line.matches("*/").count() == 1;
        let has_code = !line.is_empty() && (!line.starts_with("//") || line.starts_with("//= "));
        !was_comment && !is_comment && !is_whole && has_code
    })
}

/// A line of a script without the comment that begins with a space and `//` behind its code. What is part of a
/// string or of a pattern stays, and so does whatever could be. tests/browser/syntax.test.mjs compares the programs.
fn without_comment(line: &str) -> &str {
    // What the scan is in, by the mark that ends it; the last byte of code before it that is no space.
    let (mut end, mut in_class, mut before) = (None, false, b'(');
    let mut bytes = line.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, byte)| *byte);
        match (end, byte) {
            (Some(_), b'\\') => _ = bytes.next(),
            (Some(b'/'), b'[') => in_class = true,
            (Some(b'/'), b']') => in_class = false,
            (Some(mark), _) if byte == mark && !in_class => (end, before) = (None, b')'),
            (Some(_), _) => {}
            (None, b'\'' | b'"' | b'`') => end = Some(byte),
            (None, b'/') if next == Some(b'*') => return line,
            (None, b'/') if next == Some(b'/') && line[..at].ends_with(' ') => {
                return line[..at].trim_end();
            }
            // Behind a value it divides.
            (None, b'/') if b"(,=:[!&|?{};+<>".contains(&before) => end = Some(byte),
            (None, b' ') => {}
            (None, _) => before = byte,
        }
    }
    line
}

/// A file of the pages as it is sent.
fn page_file(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Box<dyn Error>> {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("js") => {
            let script = code(std::str::from_utf8(&bytes)?).map(without_comment);
            Ok(script.collect::<Vec<_>>().join("\n").into_bytes())
        }
        Some("css") => {
            let style = code(std::str::from_utf8(&bytes)?).collect::<Vec<_>>().join("\n");
            // Space where it means nothing. No text in a style sheet of ours has these.
            let marks =
                [(": ", ":"), (", ", ","), ("; ", ";"), (" {", "{"), ("{ ", "{"), (" }", "}")];
            let style = marks.iter().fold(style, |style, (from, to)| style.replace(from, to));
            Ok(style.into_bytes())
        }
        // Nothing in them depends on the space that a line begins with.
        Some("html") => {
            let lines = std::str::from_utf8(&bytes)?.lines().map(str::trim);
            Ok(lines.collect::<Vec<_>>().join("\n").into_bytes())
        }
        _ => Ok(bytes),
    }
}

/// The reader of the table of causes with the table in it, as far as a page can come: a rule that asks for a fact
/// that no page knows never holds there. JSON of plain ASCII is JavaScript of any age.
fn causes() -> Result<String, Box<dyn Error>> {
    let (script, table) = (fs::read_to_string(CAUSES.0)?, fs::read_to_string(TABLE)?);
    let mut causes: Vec<Value> = serde_json::from_str(&table)?;
    let known = |name: &String| OF_CLIENTS.1.iter().chain(&OF_PAGES).any(|fact| fact == name);
    let holds = |rule: &Value| rule["when"].as_object().is_some_and(|when| when.keys().all(known));
    causes.retain_mut(|cause| {
        let Some(rules) = cause["rules"].as_array_mut() else { return false };
        rules.retain(holds);
        !rules.is_empty()
    });
    let table = serde_json::to_string(&causes)?;
    if !table.is_ascii() || !script.contains(CAUSES.1) {
        return Err(format!("{TABLE} has to be ASCII, and {} needs {}", CAUSES.0, CAUSES.1).into());
    }
    Ok(script.replace(CAUSES.1, &table))
}

fn is_page(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "html")
}

/// A page with `name?v=version` for each of these files that it loads, so that browsers may keep
/// them for good.
fn with_versions(page: &str, versions: &[(String, u64)]) -> String {
    versions.iter().fold(page.to_owned(), |page, (name, version)| {
        let named = format!("{name}?v={version:016x}\"");
        let page = page.replace(&format!("\"{name}\""), &format!("\"{named}"));
        page.replace(&format!("/{name}\""), &format!("/{named}"))
    })
}

/// FNV-1a of the content.
fn version(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mode = brotli::enc::backward_references::BrotliEncoderMode::BROTLI_MODE_TEXT;
    let size_hint = bytes.len();
    let params = brotli::enc::BrotliEncoderParams { mode, size_hint, ..Default::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &params)?;
    Ok(out)
}
