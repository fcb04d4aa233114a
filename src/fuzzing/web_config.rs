//! The check of a `web.config` of IIS.

use std::time::Duration;

use crate::commands::web_config::{Needs, inspect};

/// Each finding is at a place that exists and says how to fix it. Findings are in the order of the file.
pub fn web_config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let needs = Needs { silence: Duration::from_secs(45), max_payload: 1_000_000 };
    let report = inspect(&text, &needs);
    let lines: Vec<&str> = text.split('\n').collect();
    for finding in &report.findings {
        let line = lines.get(finding.line as usize - 1);
        let line = line.unwrap_or_else(|| panic!("no such line: {finding}"));
        assert!(finding.column as usize <= line.chars().count() + 1, "no such column: {finding}");
        assert!(!finding.fix.is_empty());
    }
    let places = report.findings.iter().map(|finding| (finding.line, finding.column));
    assert!(places.is_sorted(), "in the order of the file");
}
