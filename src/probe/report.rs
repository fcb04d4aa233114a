//! All results, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::check::{Check, Outcome};
use super::generation::Generation;
use super::{GROUP_MORE, GROUP_WAY, Options, is_reached};
use crate::diagnosis::Verdict;

/// The result of a diagnosis.
#[derive(Debug)]
pub struct Report {
    url: String,
    direct_to: Option<String>,
    checks: Vec<Check>,
    direct: Option<Vec<Check>>,
}

/// How two ways differ in one step.
struct Difference<'a> {
    check: &'a Check,
    text: String,
}

impl Report {
    pub(super) fn new(options: &Options, checks: Vec<Check>, direct: Option<Vec<Check>>) -> Self {
        let direct_to = options.direct.as_ref().map(ToString::to_string);
        Report { url: options.url.to_string(), direct_to, checks, direct }
    }

    /// The exit status: 0 if all is well, 1 if something falls back or fails, 2 if nothing could be
    /// diagnosed.
    pub fn status(&self) -> u8 {
        let works = |check: &Check| check.outcome == Outcome::Ok && is_transport(check);
        match () {
            () if !is_reached(&self.checks) => 2,
            () if self.checks.iter().any(|check| check.outcome == Outcome::Fail) => 1,
            () if !self.checks.iter().any(works) => 1,
            () => 0,
        }
    }

    /// What the way through the proxies does that the direct one does not.
    fn differences(&self) -> Vec<Difference<'_>> {
        let direct = self.direct.as_deref().unwrap_or_default();
        let mut found = Vec::new();
        for check in &self.checks {
            let same = |other: &&Check| other.group == check.group && other.name == check.name;
            let Some(other) = direct.iter().find(same) else { continue };
            let bad = |outcome| matches!(outcome, Outcome::Fail | Outcome::Warn);
            let text = match (bad(check.outcome), bad(other.outcome)) {
                (true, false) => "works directly: the cause is what stands between",
                (true, true) => "fails directly, too: the cause is the server, or this machine",
                (false, true) => "fails only directly",
                (false, false) => continue,
            };
            found.push(Difference { check, text: text.to_owned() });
        }
        found
    }

    /// The result for people.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.url);
        write_checks(&mut out, &self.checks);
        if let (Some(direct), Some(to)) = (&self.direct, &self.direct_to) {
            let _ = writeln!(out, "\nDirectly to {to}");
            write_checks(&mut out, direct);
            let differences = self.differences();
            let _ = writeln!(out, "\nThe two ways");
            if differences.is_empty() {
                let _ = writeln!(out, "  no difference");
            }
            for Difference { check, text } in differences {
                let _ = writeln!(out, "  {} {}: {text}", check.group, check.name);
            }
        }
        write_causes(&mut out, &self.checks);
        let _ = writeln!(out, "\n{}", self.summary());
        out
    }

    fn summary(&self) -> &'static str {
        match self.status() {
            0 if self.checks.iter().any(|check| check.outcome == Outcome::Warn) => {
                "All works; the warnings are worth a look."
            }
            0 => "All is well.",
            1 => "Something falls back or fails.",
            _ => "It could not be diagnosed: nothing answers.",
        }
    }

    /// The result for programs.
    pub fn json(&self) -> Value {
        let list = |checks: &[Check]| -> Value { checks.iter().map(Check::json).collect() };
        let mut json = json!({
            "url": self.url,
            "status": self.status(),
            "summary": self.summary(),
            "checks": list(&self.checks),
        });
        if let (Some(direct), Some(to)) = (&self.direct, &self.direct_to) {
            let told = |one: &Difference<'_>| json!({ "group": one.check.group, "check": one.check.name, "text": one.text });
            json["direct"] = json!({
                "to": to,
                "checks": list(direct),
                "differences": self.differences().iter().map(told).collect::<Vec<_>>(),
            });
        }
        json
    }
}

fn is_transport(check: &Check) -> bool {
    check.group != GROUP_WAY && check.group != GROUP_MORE
}

fn write_checks(out: &mut String, checks: &[Check]) {
    let mut group = "";
    for check in checks {
        if check.group != group {
            group = check.group;
            let known = Generation::ALL.into_iter().find(|generation| generation.name() == group);
            let title = match known {
                Some(generation) => format!("{group}, {}", generation.clients()),
                None if group == GROUP_WAY => "The way".to_owned(),
                None => "More".to_owned(),
            };
            let _ = writeln!(out, "\n{title}");
        }
        let _ = writeln!(out, "  {:<4}  {:<14} {}", check.outcome.name(), check.name, check.text);
    }
}

/// Each cause once, with the steps that it explains.
fn write_causes(out: &mut String, checks: &[Check]) {
    let mut causes: Vec<(Verdict, Vec<String>)> = Vec::new();
    for check in checks {
        let Some(verdict) = check.verdict() else { continue };
        let name = match is_transport(check) {
            true => format!("{} {}", check.group, check.name),
            false => check.name.clone(),
        };
        match causes.iter_mut().find(|(known, _)| known.cause == verdict.cause) {
            Some((_, names)) => names.push(name),
            None => causes.push((verdict, vec![name])),
        }
    }
    if !causes.is_empty() {
        let _ = writeln!(out, "\nCauses");
    }
    for (verdict, names) in causes {
        let Verdict { title, place, certainty, evidence, remedy, .. } = verdict;
        let _ = writeln!(out, "  {title}");
        let _ = writeln!(out, "    where     {place}, {}", certainty.name());
        let _ = writeln!(out, "    seen at   {}", names.join(", "));
        let _ = writeln!(out, "    evidence  {evidence}");
        let _ = writeln!(out, "    remedy    {remedy}");
    }
}
