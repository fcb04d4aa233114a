//! Files of nginx: directives in blocks, of which the innermost counts.

use std::time::Duration;

use super::time::{Unit, time};
use super::{Effect, Found};

/// nginx's own time-outs where a file names none.
const DEFAULT: Duration = Duration::from_secs(60);

/// A directive, with the blocks around it, the outermost first.
#[derive(Debug)]
struct Directive {
    line: usize,
    words: Vec<String>,
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    /// Its number in the file.
    id: usize,
    words: Vec<String>,
}

impl Directive {
    fn block(&self, name: &str) -> Option<&Block> {
        self.blocks.iter().rev().find(|block| block.words[0] == name)
    }

    fn is(&self, name: &str) -> bool {
        self.words[0] == name
    }

    fn found(&self, default: Unit, effect: Effect) -> Option<Found> {
        let time = time(self.words.get(1)?, default)?;
        Some(Found { line: self.line, text: self.words.join(" "), time: Some(time), effect })
    }
}

/// Reads all directives.
fn directives(text: &str) -> Vec<Directive> {
    let (mut found, mut blocks, mut words) =
        (Vec::new(), Vec::<Block>::new(), Vec::<String>::new());
    let (mut word, mut quote, mut line, mut began, mut id) = (String::new(), None, 1, 1, 0);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            c if quote == Some(c) => quote = None,
            c if quote.is_some() => word.push(c),
            '\\' => word.extend(chars.next()),
            '"' | '\'' if word.is_empty() => quote = Some(c),
            '#' if word.is_empty() => while chars.next_if(|c| *c != '\n').is_some() {},
            // A variable in braces.
            '{' if word.ends_with('$') => {
                while chars.next_if(|c| *c != '}').is_some() {}
                chars.next();
            }
            c if c.is_whitespace() || matches!(c, ';' | '{' | '}') => {
                if !word.is_empty() {
                    if words.is_empty() {
                        began = line - usize::from(c == '\n');
                    }
                    words.push(std::mem::take(&mut word));
                }
                let whole = if c.is_whitespace() { Vec::new() } else { std::mem::take(&mut words) };
                if c == '{' && !whole.is_empty() {
                    id += 1;
                    blocks.push(Block { id, words: whole });
                } else if c == '}' {
                    blocks.pop();
                } else if c == ';' && !whole.is_empty() {
                    found.push(Directive { line: began, words: whole, blocks: blocks.clone() });
                }
            }
            c => word.push(c),
        }
    }
    found
}

/// The path that a location is for, if it is a plain beginning of one.
fn prefix(location: &Block) -> Option<&str> {
    match &location.words[1..] {
        [path] => Some(path),
        [modifier, path] if modifier == "^~" => Some(path),
        _ => None,
    }
}

/// The times that apply to `path`.
pub fn times(text: &str, path: &str) -> Vec<Found> {
    let all = directives(text);
    let mut found = idle(&all);
    let server = |directive: &Directive| directive.block("server").map(|block| block.id);
    let mut servers: Vec<Option<usize>> =
        all.iter().filter(|directive| directive.is("proxy_pass")).map(server).collect();
    servers.dedup();
    for of in servers {
        let locations = all.iter().filter(|directive| server(directive) == of);
        let locations = locations.filter_map(|directive| directive.block("location"));
        // Of plain locations the longest counts; patterns are taken as they come.
        let matching =
            locations.filter(|block| prefix(block).is_some_and(|start| path.starts_with(start)));
        let best = matching.max_by_key(|block| prefix(block).map(str::len)).cloned();
        let applies = |directive: &&Directive| match directive.block("location") {
            Some(location) if prefix(location).is_some() => Some(location) == best.as_ref(),
            // An exact path is none of Socket.IO's.
            Some(location) => location.words.get(1).is_some_and(|word| word.starts_with('~')),
            None => true,
        };
        let here = all
            .iter()
            .filter(|directive| directive.block("server").is_none_or(|block| Some(block.id) == of));
        let here: Vec<&Directive> = here.filter(applies).collect();
        let Some(pass) = here.iter().find(|directive| directive.is("proxy_pass")) else { continue };
        let reads = here.iter().filter(|directive| directive.is("proxy_read_timeout"));
        // The innermost one counts.
        match reads.max_by_key(|directive| directive.blocks.len()) {
            Some(read) => found.extend(read.found(Unit::Second, Effect::Silence)),
            None => {
                let text = "no proxy_read_timeout (60s)".to_owned();
                found.push(Found {
                    line: pass.line,
                    text,
                    time: Some(DEFAULT),
                    effect: Effect::Silence,
                });
            }
        }
    }
    found.dedup_by_key(|found| found.line);
    found
}

/// How long connections to an upstream are kept, if it keeps any.
fn idle(all: &[Directive]) -> Vec<Found> {
    let in_upstream = |directive: &&Directive| directive.block("upstream").is_some();
    let keeps = all.iter().filter(in_upstream).filter(|directive| directive.is("keepalive"));
    let found = keeps.filter_map(|keeps| {
        let mut times = all.iter().filter(|directive| directive.is("keepalive_timeout"));
        match times.find(|directive| directive.block("upstream") == keeps.block("upstream")) {
            Some(time) => time.found(Unit::Second, Effect::Idle),
            None => {
                let text = "no keepalive_timeout (60s)".to_owned();
                Some(Found { line: keeps.line, text, time: Some(DEFAULT), effect: Effect::Idle })
            }
        }
    });
    found.collect()
}
