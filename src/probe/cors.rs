//! What a browser lets a page of another origin read.

use super::GROUP_MORE;
use super::check::{self, Check, Outcome};
use super::generation::Transport;
use super::http::{Answer, Ask};
use super::session::Place;

/// Asks as the page of `place.origin` would, with and without a question before.
pub(super) async fn cors(place: Place<'_>, known_ours: bool) -> Option<Check> {
    let origin = place.origin?;
    let target = place.generation.opening(place.path, Transport::Xhr, false);
    let plain = match place.way.fetch(&place.get(target.clone())).await {
        Ok(answer) => answer,
        Err(failure) => {
            return Some(Check::new(GROUP_MORE, "cors", Outcome::Fail, failure.text));
        }
    };
    let ask = Ask { method: "OPTIONS", ..place.get(target) }
        .with("Access-Control-Request-Method", "POST")
        .with("Access-Control-Request-Headers", "content-type");
    let preflight = place.way.fetch(&ask).await;
    let of_page = matches!(check::refusal(&plain), Some("origin" | "unnamed" | "scheme"));
    let refused = of_page || plain.status == 403 && plain.is_engine();
    let mut wrong: Vec<String> = Vec::new();
    if refused {
        wrong.push(format!("the server refuses pages of {origin}"));
    } else {
        wrong.extend(readable(&plain, origin).err());
        match &preflight {
            Ok(answer) if !(200..300).contains(&answer.status) => {
                wrong.push(format!("the preflight request got {}", answer.words()));
            }
            Ok(answer) => wrong.extend(readable(answer, origin).err().filter(|_| wrong.is_empty())),
            Err(failure) => {
                wrong.push(format!("the preflight request got no answer: {}", failure.text))
            }
        }
    }
    let shown = |answer: &Answer| answer.all("access-control-allow-origin").join(", ");
    let check = |outcome, text: String| {
        Check::new(GROUP_MORE, "cors", outcome, text)
            .with("origin", origin)
            .with("allow-origin", shown(&plain))
    };
    if wrong.is_empty() {
        return Some(check(Outcome::Ok, format!("pages of {origin} may read the answers")));
    }
    let mut check = check(Outcome::Fail, wrong.join("; "));
    if refused {
        check.facts = check::failed(Transport::Xhr, "open", "forbidden");
        let label = check::refusal(&plain).unwrap_or("origin");
        check.facts.insert("refusal".into(), label.into());
        check.facts.insert("refusal-text".into(), plain.words().into());
        check::answered(&mut check.facts, Some(&plain), known_ours);
    }
    Some(check)
}

/// Whether a browser lets the page read it, with cookies as clients before 3.x ask.
fn readable(answer: &Answer, origin: &str) -> Result<(), String> {
    let allowed = answer.all("access-control-allow-origin");
    let is = |value: &str| value == "*" || value.eq_ignore_ascii_case(origin);
    match allowed[..] {
        [] => Err(format!(
            "the answer ({}) has no Access-Control-Allow-Origin, so browsers keep it from the page",
            answer.status
        )),
        [one] if is(one) => Ok(()),
        [one] if one.contains(',') => {
            Err(format!("Access-Control-Allow-Origin is there twice ({one}): a proxy adds its own"))
        }
        [one] => {
            Err(format!("Access-Control-Allow-Origin is {}, not {origin}", super::http::shown(one)))
        }
        [_, _, ..] => Err(format!(
            "Access-Control-Allow-Origin is there {} times: a proxy adds its own",
            allowed.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_read_answers_with_one_right_line() {
        let answer = |values: &[&str]| Answer {
            status: 200,
            headers: values
                .iter()
                .map(|value| ("Access-Control-Allow-Origin".to_owned(), (*value).to_owned()))
                .collect(),
            ..Answer::default()
        };
        let origin = "https://a.example";
        for (values, words) in [
            (&["https://a.example"][..], None),
            (&["*"], None),
            (&[], Some("no Access-Control")),
            (&["https://b.example"], Some("is https://b.example, not")),
            (&["https://a.example", "*"], Some("2 times")),
            (&["https://a.example, *"], Some("twice")),
        ] {
            let told = readable(&answer(values), origin).err();
            let as_expected = match (&told, words) {
                (None, None) => true,
                (Some(told), Some(words)) => told.contains(words),
                _ => false,
            };
            assert!(as_expected, "{values:?}: {told:?}");
        }
    }
}
