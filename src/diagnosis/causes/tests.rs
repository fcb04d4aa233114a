use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// Facts and the cause that they come to, for this reader of the table and for the page's.
const VECTORS: &str = include_str!("vectors.json");

fn facts(value: &Value) -> Facts {
    Facts::from_json(value.as_object().unwrap())
}

#[test]
fn the_table_can_be_read_and_each_cause_is_there_once() {
    let table: Vec<Cause> = serde_json::from_str(TABLE).unwrap();
    let names: BTreeSet<&str> = table.iter().map(|cause| &*cause.cause).collect();
    assert_eq!(names.len(), table.len());
    assert!(names.len() >= 40, "{}", names.len());
    for cause in &table {
        let name = &cause.cause;
        assert!(["browser", "way", "proxy", "policy", "server"].contains(&&*cause.place), "{name}");
        assert!(!cause.title.is_empty() && !cause.remedy.is_empty() && !cause.rules.is_empty());
        for rule in &cause.rules {
            assert!(!rule.when.is_empty(), "{name}: a rule without a condition is a guess");
            assert!(!rule.evidence.is_empty(), "{name}");
        }
    }
    assert_eq!(causes().len(), table.len());
}

#[test]
fn each_rule_is_reached_and_says_why() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let mut reached = BTreeSet::new();
    for vector in &vectors {
        let verdict = diagnose(&facts(&vector["facts"]));
        let said = (verdict.cause, verdict.certainty.name(), verdict.evidence.as_str());
        let expected = |field: &str| vector[field].as_str().unwrap();
        let wanted = (expected("cause"), expected("certainty"), expected("evidence"));
        assert_eq!(said, wanted, "{vector}");
        reached.insert(verdict.cause);
    }
    let missing: Vec<_> = causes()
        .iter()
        .filter(|cause| !reached.contains(&*cause.cause))
        .map(|c| &c.cause)
        .collect();
    assert!(missing.is_empty(), "no vector leads to {missing:?}");
}

#[test]
fn what_no_rule_fits_stays_unknown_with_its_facts() {
    let verdict = diagnose(&facts(&json!({ "code": "odd", "ms": 3 })));
    assert_eq!((verdict.cause, verdict.certainty), ("unknown", Certainty::Unknown));
    assert_eq!(verdict.evidence, "code=odd, ms=3");
    assert!(!verdict.is_known());
    assert_eq!(diagnose(&Facts::default()).evidence, "");
    assert_eq!(verdict.to_json()["where"], "unknown");
}

#[test]
fn comparisons() {
    let holds = |is: Value, fact: Value| {
        let rule: Rule = serde_json::from_value(
            json!({ "when": { "x": is }, "certainty": "likely", "evidence": [] }),
        )
        .unwrap();
        rule.when[0].holds(&facts(&json!({ "x": fact })))
    };
    for (sign, below, at, above) in [
        ("<", true, false, false),
        ("<=", true, true, false),
        (">", false, false, true),
        (">=", false, true, true),
    ] {
        for (number, expected) in [(4, below), (5, at), (6, above)] {
            assert_eq!(holds(json!({ sign: 5 }), json!(number)), expected, "{number} {sign} 5");
        }
        assert!(!holds(json!({ sign: 5 }), json!("5")), "a text is not compared");
    }
    assert!(holds(json!(["a", 1]), json!(1)));
    assert!(!holds(json!(["a", 1]), json!("1")));
    assert!(holds(json!(false), json!(false)));
    let bad = json!({ "when": { "x": { "=": 1 } }, "certainty": "likely", "evidence": [] });
    assert!(serde_json::from_value::<Rule>(bad).is_err());
}

/// Writes the table into `docs/fallback.md`, if `WRITE_DOCS` is set, and holds the page to it.
#[test]
fn the_page_on_fallbacks_has_the_table() {
    const BEGIN: &str = "<!-- causes -->\n";
    const END: &str = "<!-- end of causes -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fallback.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    let mut table =
        String::from("| `cause` | Where | What it is | Signs | Remedy |\n|---|---|---|---|---|\n");
    for cause in causes() {
        let signs: BTreeSet<String> = cause
            .rules
            .iter()
            .map(|rule| format!("{} ({})", rule.evidence.join("; "), rule.certainty.name()))
            .collect();
        let signs = signs.into_iter().collect::<Vec<_>>().join("<br>").replace('|', "\\|");
        let Cause { cause, place, title, remedy, .. } = cause;
        table += &format!("| `{cause}` | {place} | {title} | {signs} | {remedy} |\n");
    }
    if std::env::var_os("WRITE_DOCS").is_some() {
        return std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    }
    assert!(there == table, "not the table of src/diagnosis/causes.json: make fallback-page");
}
