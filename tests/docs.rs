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

/// The last string literal within the parentheses that `call` continues.
fn last_literal(call: &str) -> Option<String> {
    let (mut literals, mut depth, mut chars) = (Vec::new(), 1, call.chars());
    while depth > 0 {
        match chars.next()? {
            '(' => depth += 1,
            ')' => depth -= 1,
            '"' => {
                let mut literal = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        // A line that goes on.
                        '\\' if chars.as_str().starts_with('\n') => {
                            chars = chars.as_str().trim_start().chars();
                        }
                        '\\' => literal.extend(chars.next()),
                        c => literal.push(c),
                    }
                }
                literals.push(literal);
            }
            _ => {}
        }
    }
    literals.pop()
}

/// The messages of all calls of a logging macro in Rust source.
fn messages(source: &str, macro_name: &str) -> Vec<String> {
    let call = format!("{macro_name}!(");
    let messages = source.split(&call).skip(1).filter_map(last_literal);
    messages.filter(|message| !message.starts_with('{')).collect()
}

#[test]
fn every_warning_and_error_of_the_log_is_explained() {
    let docs = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let mut found = 0;
    let mut missing = Vec::new();
    for path in files(&root().join("src"), "rs") {
        let source = fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for level in ["warn", "error"] {
            for message in messages(source, level) {
                found += 1;
                // Long ones are cut there.
                let begins: String = message.chars().take(60).collect();
                if !docs.contains(&begins) {
                    missing.push(format!("{}: {message}", path.display()));
                }
            }
        }
    }
    assert!(found > 10, "{found}");
    assert!(missing.is_empty(), "docs/troubleshooting.md lacks:\n{}", missing.join("\n"));
}
