//! The documentation: its links lead somewhere, and it explains the messages that operators see.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 6] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "examples/README.md",
    "fuzz/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder that have that extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|of| of == extension) => found.push(path),
                false => {}
            }
        }
    }
    found
}

/// The text of a page outside of code blocks.
fn prose(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("\n```").step_by(2).collect()
}

/// The names by which a page's headings can be linked to, as GitHub makes them.
fn anchors(path: &Path) -> HashSet<String> {
    let prose = prose(path);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut pages: Vec<PathBuf> = PAGES.iter().map(|page| root().join(page)).collect();
    pages.extend(files(&root().join("docs"), "md"));
    let mut broken = Vec::new();
    let mut links = 0;
    for page in &pages {
        for target in prose(page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            // Elsewhere; or code that looks like a link.
            if target.contains("://") || target.contains(' ') {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            if !file.exists() || !anchor.is_empty() && !anchors(&file).contains(anchor) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(links > 100, "{links}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A call of a logging macro: the names of its fields, and its message.
#[derive(Debug, Default)]
struct Call {
    fields: Vec<String>,
    message: String,
}

impl Call {
    /// Reads the arguments of a call, up to the message: `code` goes on after its parenthesis.
    fn read(code: &str) -> Option<Self> {
        let (mut call, mut argument, mut depth) = (Call::default(), String::new(), 1);
        let mut chars = code.chars();
        while depth > 0 {
            match chars.next()? {
                '"' => {
                    let literal = literal(&mut chars)?;
                    if depth == 1 && argument.trim().is_empty() {
                        call.message = literal;
                        return Some(call);
                    }
                }
                ',' if depth == 1 => call.fields.extend(field(&std::mem::take(&mut argument))),
                c => {
                    depth += i32::from(matches!(c, '(' | '[' | '{'));
                    depth -= i32::from(matches!(c, ')' | ']' | '}'));
                    argument.push(c);
                }
            }
        }
        Some(call)
    }
}

/// The rest of a string literal whose quote has been read.
fn literal(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            // A line that goes on.
            '\\' if chars.as_str().starts_with('\n') => {
                *chars = chars.as_str().trim_start().chars();
            }
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
}

/// The name of a field: `name = value`, or `name`, `%name`, `?name` of a variable.
fn field(argument: &str) -> Option<String> {
    let name = argument.split('=').next()?.trim().trim_start_matches(['%', '?']);
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())
}

/// All calls of logging macros of these names in `src/`, but for tests.
fn calls(macros: &[&str]) -> Vec<(PathBuf, Call)> {
    let mut found = Vec::new();
    for path in files(&root().join("src"), "rs") {
        let source = fs::read_to_string(&path).unwrap();
        let source = source.split("\nmod tests {").next().unwrap_or_default();
        for name in macros {
            let begin = format!("{name}!(");
            let calls = source.split(&begin).skip(1).filter_map(Call::read);
            found.extend(calls.map(|call| (path.clone(), call)));
        }
    }
    found
}

#[test]
fn every_field_of_the_log_is_explained() {
    let docs = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let calls = calls(&["trace", "debug", "info", "warn", "error", "debug_span"]);
    let fields = calls.iter().flat_map(|(path, call)| call.fields.iter().map(move |f| (path, f)));
    let fields: Vec<(&PathBuf, &String)> = fields.collect();
    assert!(fields.len() > 50, "{}", fields.len());
    let missing = fields.iter().filter(|(_, field)| !docs.contains(&format!("`{field}=`")));
    let missing: Vec<String> =
        missing.map(|(path, field)| format!("{}: {field}", path.display())).collect();
    assert!(missing.is_empty(), "docs/operations.md lacks:\n{}", missing.join("\n"));
}

#[test]
fn every_warning_and_error_of_the_log_is_explained() {
    let docs = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let mut calls = calls(&["warn", "error"]);
    // One that is made of others cannot be found.
    calls.retain(|(_, call)| !call.message.is_empty() && !call.message.starts_with('{'));
    assert!(calls.len() > 10, "{calls:?}");
    // Long ones are cut there.
    let begins = |call: &Call| call.message.chars().take(60).collect::<String>();
    let missing = calls.iter().filter(|(_, call)| !docs.contains(&begins(call)));
    let missing: Vec<String> =
        missing.map(|(path, call)| format!("{}: {}", path.display(), call.message)).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md lacks:\n{}", missing.join("\n"));
}
