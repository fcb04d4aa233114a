//! The check of a `web.config` of IIS.

use std::cell::OnceCell;

use crate::cli::Cli;
use crate::config::{Layers, Settings, Sources};
use crate::transport;
use crate::web_config::{Needs, decode, inspect};

/// Each finding is at a place that exists and says how to fix it. Findings are in the order of the file, and each request
/// that does not arrive has one.
pub fn web_config(data: &[u8]) {
    thread_local! {
        static LAYERS: OnceCell<(Layers, Settings)> = const { OnceCell::new() };
    }
    LAYERS.with(|cell| {
        let (layers, settings) = cell.get_or_init(|| {
            let layers = Layers::read(Sources::default(), &transport::names()).expect("settings");
            let settings = layers.settings().expect("settings");
            (layers, settings)
        });
        let hosted = |words: &[String]| {
            layers.with_flags(Cli::of_server(words)?).map_err(|error| error.to_string())
        };
        holds(data, &Needs { settings, hosted: &hosted });
    });
}

fn holds(data: &[u8], needs: &Needs<'_>) {
    let report = inspect(data, needs);
    let text = decode(data).unwrap_or_default();
    let lines: Vec<&str> = text.split('\n').collect();
    for finding in &report.findings {
        let line = lines.get(finding.line as usize - 1);
        let line = line.unwrap_or_else(|| panic!("no such line: {finding}"));
        assert!(finding.column as usize <= line.chars().count() + 1, "no such column: {finding}");
        assert!(!finding.fix.is_empty());
    }
    let places = report.findings.iter().map(|finding| (finding.line, finding.column));
    assert!(places.is_sorted(), "in the order of the file");
    let essential = report.lines.iter().take(report.lines.len().saturating_sub(2));
    if essential.clone().any(|line| !line.arrives) {
        assert!(report.errors() > 0, "a request does not arrive, and no error says why");
    }
}
