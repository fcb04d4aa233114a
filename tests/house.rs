//! The house: which module may know which, and how long a file may be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by name, each with the names that it imports.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Lines of a file that says no reason for more, and of the file in the middle of all.
const LONGEST: usize = 450;
const MEDIAN: usize = 200;
/// The head comment of a longer file has a sentence that begins so.
const REASON: &str = "Long because ";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `src/`.
struct Source {
    path: PathBuf,
    /// Its module: `["engine", "session", "drain"]`.
    module: Vec<String>,
    text: String,
}

fn sources() -> Vec<Source> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root().join("src")).unwrap().with_extension("");
                let mut module: Vec<String> =
                    relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                module.pop_if(|last| last == "mod");
                found.push(Source { text: fs::read_to_string(&path).unwrap(), path, module });
            }
        }
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

/// What a file says to the compiler when it builds the server: no comments, no tests.
fn code(source: &str) -> String {
    let lines = source.lines().map(|line| match line.find("//") {
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests].to_owned()
}

/// Modules that are there for tests alone: `#[cfg(test)] mod testing;` in the file of their parent.
fn test_modules(sources: &[Source]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::from([vec!["fuzzing".to_owned()]]);
    for source in sources {
        let mut lines = source.text.lines().peekable();
        while let Some(line) = lines.next() {
            let is_test = line.starts_with("#[cfg(") && line.contains("test");
            let Some(next) = lines.peek().filter(|_| is_test) else { continue };
            let name = next.rsplit("mod ").next().and_then(|rest| rest.strip_suffix(';'));
            if let Some(name) = name.filter(|_| next.contains("mod ")) {
                let mut module = source.module.clone();
                module.retain(|part| part != "lib");
                module.push(name.to_owned());
                found.insert(module);
            }
        }
    }
    found
}

/// All paths that code writes from a word on: `crate::a::{b, c::d}` gives `a::b` and `a::c::d` from
/// `crate::`.
fn paths(code: &str, from: &str) -> Vec<Vec<String>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices(from) {
        if !code[..at].ends_with(|c| is_name(c) || c == ':') {
            read_paths(&code[at + from.len()..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one path, or one group of paths in braces, and returns the rest.
fn read_paths<'a>(
    code: &'a str,
    before: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> &'a str {
    let mut rest = code.trim_start();
    if let Some(group) = rest.strip_prefix('{') {
        rest = group.trim_start();
        while !rest.is_empty() && !rest.starts_with('}') {
            rest = read_paths(rest, before, found).trim_start();
            // `as other`, and the comma.
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            rest = rest[end..].strip_prefix(',').unwrap_or(&rest[end..]).trim_start();
        }
        return rest.strip_prefix('}').unwrap_or(rest);
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    before.push(name.to_owned());
    let after = match after.strip_prefix("::") {
        Some(more) => read_paths(more, before, found),
        None => {
            found.push(before.clone());
            after
        }
    };
    before.pop();
    after
}

/// The modules that a file names, from the root of the crate on.
fn imports(source: &Source) -> Vec<Vec<String>> {
    let code = code(&source.text);
    let mut found = paths(&code, "crate::");
    if source.module == ["main"] {
        found.extend(paths(&code, "parlance::"));
    }
    for path in paths(&code, "super::") {
        let up = 1 + path.iter().take_while(|part| *part == "super").count();
        if let Some(kept) = source.module.len().checked_sub(up) {
            let mut whole = source.module[..kept].to_vec();
            whole.extend_from_slice(&path[up - 1..]);
            found.push(whole);
        }
    }
    found
}

/// The rooms of `src/`, as the code has them.
fn rooms() -> Graph {
    let sources = sources();
    let tests = test_modules(&sources);
    let is_test = |source: &&Source| !tests.iter().any(|test| source.module.starts_with(test));
    let of = |source: &Source| source.module[0].clone();
    let names: BTreeSet<String> = sources.iter().filter(is_test).map(of).collect();
    let mut graph = Graph::new();
    for source in sources.iter().filter(is_test).filter(|source| source.module != ["lib"]) {
        let room = of(source);
        let known = imports(source).into_iter().map(|path| path[0].clone());
        let known = known.filter(|name| *name != room && names.contains(name));
        graph.entry(room.clone()).or_default().extend(known);
    }
    graph
}

/// The rooms in the order of the table, with what it says that they import.
fn table() -> Vec<(String, BTreeSet<String>)> {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| Room |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let names = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), 3, "{row}");
        (names(cells[0]).remove(0), names(cells[2]).into_iter().collect())
    })
    .collect()
}

#[test]
fn the_table_of_rooms_is_what_the_code_imports() {
    let (code, table) = (rooms(), table());
    assert!(code.len() > 12, "{code:?}");
    let told: Graph = table.iter().cloned().collect();
    assert_eq!(told.len(), table.len(), "a room is there twice");
    let mut wrong = Vec::new();
    for name in code.keys().chain(told.keys()).collect::<BTreeSet<_>>() {
        let (code, told) = (code.get(name), told.get(name));
        if code != told {
            wrong.push(format!("{name}\n  imports {code:?}\n  in docs/architecture.md {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rooms_import_only_from_rooms_below_them() {
    let order: Vec<String> = table().into_iter().map(|(room, _)| room).collect();
    let place = |room: &String| order.iter().position(|of| of == room);
    for (room, known) in rooms() {
        for below in known {
            assert!(place(&room) < place(&below), "{room} imports {below}, which is above it");
        }
    }
}

/// A way from a module back to itself.
fn cycle(graph: &Graph) -> Option<String> {
    let mut left = graph.clone();
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, known| known.iter().any(|name| names.contains(name)));
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            return Some(format!("{left:?}"));
        }
    }
}

/// The modules right below a room. Names that the room's `mod.rs` re-exports count for their module; and a
/// module with its folder is one: `session.rs` and `session/`.
fn modules_of(room: &str) -> Graph {
    let sources = sources();
    let tests = test_modules(&sources);
    let inside: Vec<&Source> = sources
        .iter()
        .filter(|source| source.module[0] == room)
        .filter(|source| !tests.iter().any(|test| source.module.starts_with(test)))
        .collect();
    let of = |source: &Source| source.module.get(1).cloned().unwrap_or_else(|| "mod".into());
    let names: BTreeSet<String> = inside.iter().map(|source| of(source)).collect();
    let mut exported = BTreeMap::new();
    let top = inside.iter().find(|source| source.module.len() == 1).unwrap();
    for from in ["pub use ", "pub(crate) use "] {
        for path in paths(&code(&top.text), from).into_iter().filter(|path| path.len() > 1) {
            exported.insert(path[path.len() - 1].clone(), path[0].clone());
        }
    }
    let mut graph = Graph::new();
    for source in &inside {
        let module = of(source);
        let mut known: BTreeSet<String> = imports(source)
            .into_iter()
            .filter(|path| path[0] == room && path.len() > 1)
            .map(|path| match names.contains(&path[1]) {
                true => path[1].clone(),
                false => exported.get(&path[1]).cloned().unwrap_or_else(|| "mod".into()),
            })
            .collect();
        if module == "mod" {
            let code = code(&source.text);
            let named = paths(&code, "use ").into_iter().map(|path| path[0].clone());
            known.extend(named.filter(|name| names.contains(name)));
        }
        known.remove(&module);
        graph.entry(module).or_default().extend(known);
    }
    graph
}

#[test]
fn no_modules_of_the_engine_import_each_other() {
    let graph = modules_of("engine");
    assert!(graph.len() > 10 && graph["mod"].len() > 3, "{graph:?}");
    assert_eq!(cycle(&graph), None);
}

#[test]
fn files_are_short_or_say_why_not() {
    let mut lengths = Vec::new();
    let mut too_long = Vec::new();
    for source in sources() {
        let length = source.text.lines().count();
        lengths.push(length);
        let head = source.text.lines().take_while(|line| line.starts_with("//!"));
        let head: Vec<&str> = head.map(|line| line.trim_start_matches("//!").trim()).collect();
        if length > LONGEST && !head.join(" ").contains(REASON) {
            too_long.push(format!("{}: {length}", source.path.display()));
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN, "{median}");
    assert!(too_long.is_empty(), "no `{REASON}…` in the head of:\n{}", too_long.join("\n"));
}

#[test]
fn imports_are_read_from_code() {
    let source = |module: &[&str], text: &str| Source {
        path: PathBuf::new(),
        module: module.iter().map(|part| (*part).to_owned()).collect(),
        text: text.to_owned(),
    };
    let read = |module: &[&str], text: &str| -> Vec<String> {
        imports(&source(module, text)).iter().map(|path| path.join("::")).collect()
    };
    let text = "use crate::{a, b::{self, C as D, e::F}};\n// crate::not\nfn f() { crate::g::h(1) }\n\
        #[cfg(test)]\nmod tests {\n    use crate::not;\n}\n";
    assert_eq!(read(&["x"], text), ["a", "b::self", "b::C", "b::e::F", "g::h"]);
    let text = "use super::{one, two::three};\nuse super::super::three::T;\nfn f() {}";
    assert_eq!(read(&["x", "y"], text), ["x::one", "x::two::three", "three::T"]);
    let graph = |edges: &[(&str, &[&str])]| -> Graph {
        let named = |name: &&str| (*name).to_owned();
        edges.iter().map(|(from, to)| (named(from), to.iter().map(named).collect())).collect()
    };
    assert!(cycle(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])).is_none());
    assert!(cycle(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])).is_some());
}
