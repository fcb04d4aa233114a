//! Settings at the edge of what they may be.

use std::collections::BTreeMap;

use crate::support::http::Http;
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::target;
use crate::support::ws::Ws;

/// The least and the most of each number that the reference names, but for ports.
fn reference() -> BTreeMap<&'static str, (&'static str, &'static str, &'static str)> {
    let docs = include_str!("../../../docs/configuration.md");
    let (_, table) = docs.split_once("## Reference").expect("a reference");
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let (key, _, unit) = (cells.next()?.strip_suffix('`')?, cells.next()?, cells.next()?);
        let (least, most) = cells.next()?.split_once('–')?;
        let least = least.split_once(", ").map_or(least, |(zero, _)| zero);
        (!key.ends_with("port")).then_some((key, (unit, least, most)))
    });
    rows.collect()
}

/// A server with these settings.
fn start(folder: &Folder, settings: impl Iterator<Item = (&'static str, &'static str)>) -> Process {
    let lines = settings.map(|(key, value)| match value.parse::<u64>() {
        Ok(number) => format!("{key} = {number}\n"),
        Err(_) => format!("{key} = \"{value}\"\n"),
    });
    folder.write("transports.toml", &lines.collect::<String>());
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0"]);
    Process::start(command)
}

#[tokio::test]
async fn the_most_of_everything_works() {
    let folder = Folder::new();
    let mut settings = reference();
    assert!(settings.len() > 20, "{settings:?}");
    // What is around a message has to fit beside it.
    settings.insert("message-max", ("size", "", "255MiB"));
    let mut process = start(&folder, settings.iter().map(|(key, (_, _, most))| (*key, *most)));
    let addr = process.listening();
    let many: Vec<String> = (0..1000).map(|n| format!("X-{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "y")).collect();
    let long = "y".repeat(250_000);
    for path in ["/".to_owned(), target("EIO=4&transport=polling")] {
        for headers in [&many[..], &[("X", long.as_str())]] {
            let answer = Http::open(addr).await.request("GET", &path, headers, b"").await;
            assert_eq!(answer.status, 200, "{path}: {} headers", headers.len());
        }
    }
    let mut ws = Ws::open(addr, &target("EIO=4&transport=websocket")).await;
    assert!(ws.text().await.contains("\"maxPayload\":268435456"));
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
}

#[tokio::test]
async fn the_least_of_every_size_works() {
    let folder = Folder::new();
    let mut settings = reference();
    settings.retain(|_, (unit, _, _)| *unit != "time");
    settings.insert("max-payload", ("size", "1025", ""));
    settings.insert("max-connections", ("count", "2", ""));
    let mut process = start(&folder, settings.iter().map(|(key, (_, least, _))| (*key, *least)));
    let addr = process.listening();
    let mut http = Http::open(addr).await;
    assert_eq!(http.get("/").await.status, 200);
    let mut ws = Ws::open(addr, &target("EIO=4&transport=websocket")).await;
    ws.text().await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    ws.send("420[\"new message\",\"xy\"]").await;
    while !ws.text().await.starts_with("430[") {}
}
