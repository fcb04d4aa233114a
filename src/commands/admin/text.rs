//! Answers of a server as texts for a terminal. Names and the like were chosen by strangers.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Texts of the server as they may stand on a terminal: in one line, and without what moves or turns text.
pub fn clean(text: &str) -> String {
    let moves = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    text.chars().map(|c| if moves(c) { ' ' } else { c }).collect()
}

/// A value as text: a dash for none.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text),
        Value::Array(all) if all.is_empty() => "none".to_owned(),
        Value::Array(all) => all.iter().map(word).collect::<Vec<_>>().join(", "),
        other => clean(&other.to_string()),
    }
}

/// Columns as wide as their longest text; the last one is as it is.
fn table(rows: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(row.len().max(widths.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

/// A time as its distance from another one.
fn span(from: &Value, to: u64) -> String {
    let seconds = to.saturating_sub(from.as_u64().unwrap_or(to)) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d", seconds / 86400),
    }
}

/// The time of day, in UTC.
fn clock(at: &Value) -> String {
    let seconds = at.as_u64().unwrap_or_default() / 1000;
    format!("{:02}:{:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// A page of sessions; `more` is where the next one begins, if it is not printed.
pub fn sessions(page: &Value, more: Option<u64>) -> String {
    let heads = ["ID", "ADDRESS", "CLIENT", "TRANSPORT", "SINCE", "QUEUE", "NAME", "WHY"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let now = now();
    for session in page["sessions"].as_array().into_iter().flatten() {
        let ended = session["ended"].as_u64();
        let lasted = span(&session["since"], ended.unwrap_or(now));
        let since = match ended {
            Some(_) => format!("{} ago, for {lasted}", span(&session["ended"], now)),
            None => lasted,
        };
        let why = match &session["verdict"] {
            Value::Null => session["reason"].as_str().map(clean).unwrap_or_default(),
            verdict => format!("{}: {}", word(&verdict["cause"]), word(&verdict["title"])),
        };
        let fact = |key: &str| word(&session[key]);
        rows.push(vec![
            fact("sid"),
            fact("address"),
            fact("generation"),
            fact("transport"),
            since,
            fact("queue-bytes"),
            fact("name"),
            why,
        ]);
    }
    let mut out = table(&rows);
    if let Some(before) = more {
        let _ = writeln!(out, "more with --before {before}; {} in all", page["total"]);
    }
    out
}

/// One session.
pub fn session(session: &Value) -> String {
    let mut out = String::new();
    let keys = [
        "sid",
        "name",
        "address",
        "network",
        "proxy",
        "generation",
        "transport",
        "queue-bytes",
        "origin",
        "host",
        "scheme",
        "agent",
        "reason",
    ];
    let known = keys.into_iter().filter(|key| !session[key].is_null());
    let mut rows: Vec<_> = known.map(|key| vec![key.to_owned(), word(&session[key])]).collect();
    let end = session["ended"].as_u64();
    rows.push(vec!["since".into(), format!("{} ago", span(&session["since"], now()))]);
    if let Some(end) = end {
        rows.push(vec!["lasted".into(), span(&session["since"], end)]);
    }
    out.push_str(&table(&rows));
    let verdict = &session["verdict"];
    if !verdict.is_null() {
        let fact = |key: &str| word(&verdict[key]);
        let _ = writeln!(out, "\n{}", fact("title"));
        for key in ["cause", "where", "certainty", "evidence", "remedy"] {
            if verdict[key].as_str().is_some_and(|text| !text.is_empty()) {
                let _ = writeln!(out, "  {key:9}  {}", fact(key));
            }
        }
    }
    let moments = session["timeline"].as_array().into_iter().flatten();
    let rows: Vec<_> = moments
        .map(|moment| {
            let after = format!("{:>10}", format!("{} ms", moment["ms"]));
            vec![after, word(&moment["event"]), word(&moment["text"])]
        })
        .collect();
    let _ = write!(out, "\n{}", table(&rows));
    out
}

/// Whether an event has a text, in lower case, somewhere.
pub fn event_has(event: &Value, text: &str) -> bool {
    let has =
        |key: &str| event[key].as_str().is_some_and(|fact| fact.to_lowercase().contains(text));
    text.is_empty() || ["event", "text", "sid", "address"].into_iter().any(has)
}

/// One event.
pub fn event(event: &Value) -> String {
    let [sid, address] = ["sid", "address"].map(|key| word(&event[key]));
    let (name, text) = (word(&event["event"]), word(&event["text"]));
    format!("{}  {sid:20}  {address:15}  {name}: {text}\n", clock(&event["at"]))
}

/// Causes, those of the last hour first.
pub fn causes(answer: &Value) -> String {
    let now = answer["now"].as_u64().unwrap_or_default();
    let mut causes: Vec<&Value> = answer["causes"].as_array().into_iter().flatten().collect();
    causes
        .sort_by_key(|cause| std::cmp::Reverse((cause["hour"].as_u64(), cause["total"].as_u64())));
    let mut out = String::new();
    for cause in causes {
        let fact = |key: &str| word(&cause[key]);
        let _ = writeln!(out, "{} ({})", fact("title"), fact("where"));
        let _ = writeln!(out, "  cause     {}", fact("cause"));
        let (hour, total) = (fact("hour"), fact("total"));
        let _ = writeln!(out, "  count     {hour} in the last hour, {total} since the start");
        let (since, latest) = (span(&cause["since"], now), span(&cause["latest"], now));
        let _ = writeln!(out, "  since     {since} ago, the latest {latest} ago");
        if !cause["after"].is_null() {
            let _ = writeln!(out, "  after     {}", word(&cause["after"]["what"]));
        }
        if !cause["common"].is_null() {
            let _ = writeln!(out, "  common    {}", fact("common"));
        }
        let _ = writeln!(out, "  remedy    {}\n", fact("remedy"));
    }
    match out.is_empty() {
        true => "nothing was found since the start; of clients that do not get this far, only their page \
                 and parlance diagnose can tell\n"
            .to_owned(),
        false => out,
    }
}

/// The policy: settings, numbers, refusals, breakers.
pub fn policy(status: &Value) -> String {
    const OTHERS: [&str; 6] = ["administrator", "file", "now", "log", "breakers", "refused"];
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let set = fields(&status["administrator"]);
    let settings = fields(status).into_iter().filter(|(key, _)| !OTHERS.contains(&&**key));
    let settings = settings.map(|(key, value)| {
        let by = if set.contains_key(&key) { "(set by an administrator)" } else { "" };
        vec![key, format!("{} {by}", word(&value))]
    });
    let mut out = table(&settings.collect::<Vec<_>>());
    for (title, key) in [("now", "now"), ("refused since the start", "refused")] {
        let rows = fields(&status[key]).into_iter();
        let rows = rows.filter(|(_, count)| key == "now" || count.as_u64() != Some(0));
        let rows: Vec<_> =
            rows.map(|(key, count)| vec![format!("  {key}"), word(&count)]).collect();
        let _ = write!(
            out,
            "\n{title}\n{}",
            if rows.is_empty() { "  nothing\n".into() } else { table(&rows) }
        );
    }
    for breaker in status["breakers"].as_array().into_iter().flatten() {
        let fact = |key: &str| word(&breaker[key]);
        let _ = writeln!(
            out,
            "\nbreaker of {}: {}, next test in {}\n  {}, {}; {} clients failed",
            fact("network"),
            fact("state"),
            fact("left"),
            fact("generation"),
            fact("agent"),
            fact("clients")
        );
    }
    for (what, problem) in
        [("file", &status["file"]["problem"]), ("log", &status["log"]["problem"])]
    {
        if !problem.is_null() {
            let _ = writeln!(out, "\n{what}: {}", word(problem));
        }
    }
    out
}

/// What is said of a session that was ended.
pub fn disconnected(answer: &Value) -> String {
    format!("disconnected {}\n", word(&answer["disconnected"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_strangers_move_nothing_on_a_terminal() {
        let odd = "a\u{1b}[2Jb\nc\u{202e}d\u{9b}e";
        assert_eq!(clean(odd), "a [2Jb c d e");
        let page = json!({ "sessions": [{ "sid": "x", "name": odd }], "total": 1, "next": null });
        assert_eq!(sessions(&page, None).lines().count(), 2);
    }

    #[test]
    fn columns_fit_what_is_in_them() {
        let rows = [["a", "b", "c"], ["long", "", "what is last"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a     b  c\nlong     what is last\n");
    }

    #[test]
    fn times_are_told_by_their_distance() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h01m"), (90_000, "1d")]
        {
            assert_eq!(span(&json!(1000), 1000 + seconds * 1000), text);
        }
        assert_eq!(clock(&json!(1_795_694_400_000_u64)), "12:00:00Z");
    }
}
