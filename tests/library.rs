//! The library alone, without the feature `server`: what it brings along, and that the page on dependencies
//! says so. `make lint` builds it, and the examples on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::Table;

type Names = BTreeSet<String>;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn manifest() -> Table {
    read("Cargo.toml").parse().unwrap()
}

/// The crates that the feature `server` asks for.
fn of_the_server() -> Names {
    of_the_feature("server")
}

fn of_the_feature(feature: &str) -> Names {
    let manifest = manifest();
    let asked = manifest["features"][feature].as_array().unwrap();
    let names = asked.iter().filter_map(|entry| entry.as_str().unwrap().strip_prefix("dep:"));
    names.map(str::to_owned).collect()
}

/// All crates of a build, but for tests.
fn crates(features: &[&str]) -> Names {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none"]);
    let output = cargo.args(features).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_library_brings_nothing_of_the_server() {
    let (alone, whole) = (crates(&["--no-default-features"]), crates(&[]));
    for name in ["warp", "clap", "toml", "tower-http", "prometheus-client", "brotli"] {
        assert!(of_the_server().contains(name), "{name}");
    }
    assert!(whole.contains("redis") && !alone.contains("redis"));
    // The library, or a crate of it, needs these as well: the server to build its pages, and for the chat.
    let shared = ["flate2", "indexmap", "serde_json"].map(str::to_owned).into();
    assert_eq!(alone.intersection(&of_the_server()).cloned().collect::<Names>(), shared);
    assert_eq!(of_the_server().difference(&whole).collect::<Vec<_>>(), [""; 0]);
    assert!(alone.len() + 50 < whole.len(), "{} of {}", alone.len(), whole.len());
}

/// The crates in the table below a heading of the page on dependencies.
fn listed(heading: &str) -> Names {
    let page = read("docs/dependencies.md");
    let rows = page.lines().skip_while(|line| *line != heading);
    let rows = rows.skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
}

#[test]
fn the_page_on_dependencies_says_whose_they_are() {
    let manifest = manifest();
    let linux = &manifest["target"]["cfg(target_os = \"linux\")"]["dependencies"];
    let tables = [manifest["dependencies"].as_table(), linux.as_table()];
    let all = tables.into_iter().flatten().flatten();
    let is_optional =
        |value: &toml::Value| value.get("optional").is_some_and(|it| it == &true.into());
    let of_the_library = all.filter(|(_, value)| !is_optional(value)).map(|(name, _)| name.clone());
    let of_the_library: Names = of_the_library.collect();
    assert_eq!(listed("## The library"), of_the_library);
    assert_eq!(listed("## Nodes that meet at a Redis, feature `redis`"), of_the_feature("redis"));
    let of_the_server: Names = of_the_server().difference(&of_the_library).cloned().collect();
    assert_eq!(listed("## The chat server, feature `server`"), of_the_server);
}
