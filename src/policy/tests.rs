//! Tables of requests and decisions.

use super::*;

const KNOWN: [&str; 5] = ["websocket", "eventsource", "htmlfile", "xhr-polling", "jsonp-polling"];

fn list(names: &str) -> Transports {
    Transports::parse(names.split(','), &KNOWN).unwrap()
}

fn policy(transports: &str) -> Policy {
    Policy::open(list(transports))
}

fn visitor() -> Visitor<'static> {
    Visitor {
        client: Client::Address("192.0.2.7".parse().unwrap()),
        scheme: Scheme::Http,
        host: Some("chat.example"),
        origin: Some("http://page.example"),
        site: Site::Unknown,
        agent: "Mozilla/4.0 (compatible; MSIE 8.0)",
        path: "/socket.io/",
    }
}

fn input(transport: &'static str, step: Step) -> PolicyInput<'static> {
    let (transport, counts) = (Some(transport), Counts::default());
    PolicyInput { visitor: visitor(), transport, step, by_element: false, counts }
}

fn rule(name: &str, transports: &str) -> Rule {
    Rule { name: name.into(), transports: Some(list(transports)), ..Rule::default() }
}

/// The label of a refusal; empty if the decision allows the request.
fn label(decision: &Decision<'_>) -> &'static str {
    decision.verdict.as_ref().err().map_or("", Refusal::label)
}

#[test]
fn transports_and_origins() {
    use Step::{Continues, Opens, Starts, Upgrades};
    let restricted = |origin| Policy {
        origins: Origins::parse([origin]).unwrap(),
        ..policy("websocket,polling")
    };
    for (case, policy, transport, step, expected) in [
        ("all are allowed", policy("websocket,polling"), "xhr-polling", Opens, ""),
        ("polling alone, websocket opens", policy("polling"), "websocket", Opens, "transport"),
        (
            "polling alone, websocket upgrades",
            policy("polling"),
            "websocket",
            Upgrades,
            "transport",
        ),
        ("polling alone, websocket starts", policy("polling"), "websocket", Starts, "transport"),
        ("websocket alone, poll opens", policy("websocket"), "xhr-polling", Opens, "transport"),
        (
            "websocket alone, poll goes on",
            policy("websocket"),
            "jsonp-polling",
            Continues,
            "transport",
        ),
        ("websocket alone, direct", policy("websocket"), "websocket", Opens, ""),
        ("the page is named", restricted("http://page.example"), "xhr-polling", Opens, ""),
        ("another is named", restricted("http://other.example"), "xhr-polling", Opens, "origin"),
        (
            "another is named, later on",
            restricted("http://other.example"),
            "xhr-polling",
            Continues,
            "origin",
        ),
        ("the page's is another host", restricted("same-host"), "websocket", Opens, "origin"),
    ] {
        assert_eq!(label(&policy.decide(&input(transport, step))), expected, "{case}");
    }
}

#[test]
fn the_list_is_offered_in_the_operators_order() {
    let policy = policy("jsonp-polling,websocket");
    let decision = policy.decide(&input("jsonp-polling", Step::Opens));
    assert_eq!(decision.offered(), ["jsonp-polling", "websocket"]);
    assert_eq!(decision.allowed.names(), decision.offered());
}

#[test]
fn refusals_name_what_is_allowed() {
    let two = policy("websocket,htmlfile");
    let decision = two.decide(&input("xhr-polling", Step::Opens));
    assert_eq!(decision.allowed.names(), ["websocket", "htmlfile"]);
    assert_eq!(
        decision.verdict.unwrap_err().to_string(),
        "transport xhr-polling is not allowed here; allowed: websocket, htmlfile"
    );
    let mut strict = policy("websocket");
    strict.rules.push(rule("office", "htmlfile"));
    let refusal = strict.decide(&input("xhr-polling", Step::Opens)).verdict.unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "transport xhr-polling is not allowed here (rule office); allowed: htmlfile"
    );
    let long = format!("http://{}", "é".repeat(5000));
    let visitor = Visitor { origin: Some(&long), ..visitor() };
    let named = Policy { origins: Origins::parse(["a.example"]).unwrap(), ..policy("polling") };
    let refusal = named.check_session(&visitor, "xhr-polling").unwrap_err();
    assert!(refusal.to_string().chars().count() < 350);
}

#[test]
fn rules_give_the_form_of_polls_apart_from_transports() {
    use Eio3Polls::{Octets, Text};
    let python = |polls| Rule {
        agents: vec![Pattern::new("python-requests/*")],
        transports: None,
        eio3_polls: Some(polls),
        ..rule("python", "websocket")
    };
    let office = Rule {
        networks: Some(Networks::parse(["192.0.2.0/24"]).unwrap()),
        ..rule("office", "xhr-polling")
    };
    let of_office = Rule { transports: None, eio3_polls: Some(Octets), ..office.clone() };
    let room = Rule { namespaces: vec![Pattern::new("/")], ..rule("room", "websocket") };
    for (default, rules, agent, expected, transports) in [
        (Octets, vec![], "python-requests/2.31", Octets, "websocket"),
        (Text, vec![], "x", Text, "websocket"),
        (Octets, vec![python(Text)], "python-requests/2.31", Text, "websocket"),
        (Octets, vec![python(Text)], "x", Octets, "websocket"),
        (Text, vec![python(Octets)], "Python-Requests/2.31", Octets, "websocket"),
        // Each setting comes from the first rule that gives it.
        (Octets, vec![office.clone(), python(Text)], "python-requests/2.31", Text, "xhr-polling"),
        (Octets, vec![python(Text), office.clone()], "python-requests/2.31", Text, "xhr-polling"),
        (Octets, vec![of_office, python(Text)], "python-requests/2.31", Octets, "websocket"),
        (Octets, vec![room, python(Text)], "python-requests/2.31", Text, "websocket"),
    ] {
        let policy = Policy { rules, eio3_polls: default, ..policy("websocket") };
        let visitor = Visitor { agent, ..visitor() };
        let case = format!("{:?} {agent}", policy.rules);
        assert_eq!(policy.eio3_polls_for(&visitor), expected, "{case}");
        assert_eq!(policy.transports_for(&visitor).names().join(","), transports, "{case}");
    }
    let rules = Policy { rules: vec![python(Text), office], ..policy("websocket") };
    let lines = policy("websocket").difference(&rules);
    assert_eq!(lines, ["rules:  -> python=eio3-polls text office=xhr-polling"]);
    let text = Policy { eio3_polls: Text, ..policy("websocket") };
    assert_eq!(policy("websocket").difference(&text), ["eio3-polls: octets -> text"]);
}

#[test]
fn rules_refine_and_the_first_that_fits_wins() {
    let patterns = |text: &str| vec![Pattern::new(text)];
    let agent = Rule { agents: patterns("*MSIE*"), ..rule("agent", "htmlfile") };
    let network = Rule {
        networks: Some(Networks::parse(["192.0.2.0/24"]).unwrap()),
        ..rule("network", "eventsource")
    };
    let elsewhere = Rule {
        networks: Some(Networks::parse(["10.0.0.0/8"]).unwrap()),
        ..rule("elsewhere", "xhr-polling")
    };
    let origin = Rule {
        origins: Some(Origins::parse(["*.example"]).unwrap()),
        ..rule("origin", "jsonp-polling")
    };
    let path = Rule { paths: patterns("/socket.io/1/*"), ..rule("path", "xhr-polling") };
    let both = Rule {
        agents: patterns("*MSIE*"),
        networks: Some(Networks::parse(["10.0.0.0/8"]).unwrap()),
        ..rule("both", "xhr-polling")
    };
    for (case, rules, expected) in [
        ("none", vec![], "websocket"),
        ("by agent", vec![agent.clone()], "htmlfile"),
        ("by network", vec![network.clone()], "eventsource"),
        ("by another network", vec![elsewhere.clone()], "websocket"),
        ("by origin", vec![origin.clone()], "jsonp-polling"),
        ("by another path", vec![path.clone()], "websocket"),
        ("only one of two conditions", vec![both], "websocket"),
        ("the first wins", vec![elsewhere.clone(), network.clone(), agent.clone()], "eventsource"),
        ("the first wins, turned round", vec![agent, network, elsewhere], "htmlfile"),
    ] {
        let policy = Policy { rules, ..policy("websocket") };
        assert_eq!(policy.transports_for(&visitor()).names(), [expected], "{case}");
    }
    let policy = Policy { rules: vec![path], ..policy("websocket") };
    let old = Visitor { path: "/socket.io/1/websocket/abc", ..visitor() };
    assert_eq!(policy.transports_for(&old).names(), ["xhr-polling"]);
    let policy = Policy { rules: vec![origin], ..policy };
    let without = Visitor { origin: None, ..visitor() };
    assert_eq!(policy.transports_for(&without).names(), ["websocket"], "no origin fits no rule");
}

#[test]
fn pages_that_are_not_named() {
    use Site::{Other, SameOrigin, Unknown};
    for (case, origins, site, plain, by_element) in [
        ("all may", "*", Unknown, "", ""),
        ("all may, from elsewhere", "*", Other, "", ""),
        ("some may", "https://a.example", Unknown, "", "unnamed"),
        ("some may, from elsewhere", "https://a.example", Other, "unnamed", "unnamed"),
        ("some may, and not those of here", "https://a.example", SameOrigin, "", "origin"),
        ("those of here may", "same-host", SameOrigin, "", ""),
        ("those of here may, by name", "http://chat.example", SameOrigin, "", ""),
        ("those of here may, but is it one", "same-host", Unknown, "", "unnamed"),
        ("files may", "null", Unknown, "", "unnamed"),
    ] {
        let policy = Policy { origins: Origins::parse([origins]).unwrap(), ..policy("polling") };
        let visitor = Visitor { origin: None, site, ..visitor() };
        for (by_element, expected) in [(false, plain), (true, by_element)] {
            for transport in [Some("jsonp-polling"), None] {
                let input =
                    PolicyInput { visitor, transport, by_element, ..input("", Step::Opens) };
                assert_eq!(label(&policy.decide(&input)), expected, "{case}, {by_element}");
            }
        }
        let kept = policy.check_session(&visitor, "xhr-polling");
        assert_eq!(kept.err().map_or("", |refusal| refusal.label()), plain, "{case}, goes on");
    }
}

#[test]
fn rules_of_namespaces_are_asked_on_joining() {
    let admin = Rule { namespaces: vec![Pattern::new("/admin*")], ..rule("admin", "websocket") };
    let policy = Policy { rules: vec![admin], ..policy("websocket,polling") };
    assert_eq!(policy.transports_for(&visitor()).names().len(), 3, "not asked before");
    assert_eq!(policy.check_namespace(&visitor(), "xhr-polling", "/"), Ok(()));
    assert_eq!(policy.check_namespace(&visitor(), "websocket", "/admin"), Ok(()));
    let refusal = policy.check_namespace(&visitor(), "xhr-polling", "/admin/x").unwrap_err();
    assert_eq!(refusal.label(), "transport");
}

#[test]
fn the_scheme_of_the_page_decides() {
    use Scheme::{Http, Https};
    for (case, matching, origin, reached, expected) in [
        ("off", false, Some("https://a.example"), Http, ""),
        ("secure page, plain connection", true, Some("https://a.example"), Http, "scheme"),
        ("plain page, secure connection", true, Some("http://a.example"), Https, "scheme"),
        ("both secure", true, Some("https://a.example"), Https, ""),
        ("both plain", true, Some("http://a.example"), Http, ""),
        ("no page", true, None, Http, ""),
        ("a page without origin", true, Some("null"), Https, ""),
        ("a page of another scheme", true, Some("app://x"), Http, ""),
        ("no scheme at all", true, Some("a.example:80"), Http, ""),
    ] {
        let policy = Policy { match_origin_protocol: matching, ..policy("polling") };
        let visitor = Visitor { origin, scheme: reached, ..visitor() };
        for step in [Step::Opens, Step::Continues] {
            let decision = policy.decide(&PolicyInput { visitor, ..input("xhr-polling", step) });
            assert_eq!(label(&decision), expected, "{case}");
        }
    }
    let visitor = Visitor { origin: Some("https://a.example"), ..visitor() };
    assert_eq!(policy("polling").scheme_mismatch(&visitor), Some(Https), "advice, while it is off");
}

#[test]
fn numbers() {
    use Step::{Continues, Opens, Starts, Upgrades};
    let caps = |caps| Policy { caps, ..policy("websocket,polling") };
    let sessions = caps(Caps { sessions: 5, ..Caps::default() });
    let address = caps(Caps { sessions_per_address: 2, ..Caps::default() });
    let sockets = caps(Caps { websockets: 3, ..Caps::default() });
    let none = caps(Caps::default());
    let many = Counts { sessions: 5, of_address: 2, websockets: 3, ..Counts::default() };
    let fewer = Counts { sessions: 4, of_address: 1, websockets: 2, ..Counts::default() };
    let hasty = Counts { wait: Some(Duration::from_millis(1200)), ..Counts::default() };
    let ill = Counts { breaker: Some(Duration::from_secs(60)), ..Counts::default() };
    for (case, policy, transport, step, counts, expected) in [
        ("no bounds", &none, "websocket", Opens, many, ""),
        ("sessions, the last place", &sessions, "xhr-polling", Opens, fewer, ""),
        ("sessions, full", &sessions, "xhr-polling", Opens, many, "sessions"),
        ("sessions, full, one goes on", &sessions, "xhr-polling", Continues, many, ""),
        ("sessions, full, one upgrades", &sessions, "websocket", Upgrades, many, ""),
        ("address, the last place", &address, "xhr-polling", Opens, fewer, ""),
        ("address, full", &address, "xhr-polling", Opens, many, "sessions-per-address"),
        ("websockets, the last place", &sockets, "websocket", Upgrades, fewer, ""),
        ("websockets, full, upgrade", &sockets, "websocket", Upgrades, many, "websockets"),
        ("websockets, full, direct", &sockets, "websocket", Opens, many, "websockets"),
        ("websockets, full, of 0.9", &sockets, "websocket", Starts, many, "websockets"),
        ("websockets, full, polling opens", &sockets, "xhr-polling", Opens, many, ""),
        ("too hasty", &none, "xhr-polling", Opens, hasty, "handshake-rate"),
        ("too hasty, but going on", &none, "xhr-polling", Continues, hasty, ""),
        ("breaker open, upgrade", &none, "websocket", Upgrades, ill, "breaker"),
        ("breaker open, direct", &none, "websocket", Opens, ill, ""),
        ("breaker open, of 0.9", &none, "websocket", Starts, ill, ""),
    ] {
        let decision = policy.decide(&PolicyInput { counts, ..input(transport, step) });
        assert_eq!(label(&decision), expected, "{case}");
    }
    let hasty = none.decide(&PolicyInput { counts: hasty, ..input("xhr-polling", Opens) });
    assert_eq!(hasty.verdict.unwrap_err().retry_after(), Some(2));
}

#[test]
fn a_websocket_that_cannot_be_had_is_not_offered() {
    let capped = Policy {
        caps: Caps { websockets: 3, ..Caps::default() },
        ..policy("websocket,xhr-polling")
    };
    let full = Counts { websockets: 3, ..Counts::default() };
    let ill = Counts { breaker: Some(Duration::from_secs(60)), ..Counts::default() };
    for (counts, label) in [(full, "websockets"), (ill, "breaker")] {
        let decision = capped.decide(&PolicyInput { counts, ..input("xhr-polling", Step::Opens) });
        assert_eq!(decision.offered(), ["xhr-polling"]);
        assert_eq!(decision.withheld().map(Refusal::label), Some(label));
        assert_eq!(
            decision.allowed.names(),
            ["websocket", "xhr-polling"],
            "it is allowed all the same"
        );
    }
    let free = capped.decide(&input("xhr-polling", Step::Opens));
    assert_eq!(free.withheld(), None);
    let without = Policy { transports: list("xhr-polling"), ..capped.clone() };
    let full = PolicyInput { counts: full, ..input("xhr-polling", Step::Opens) };
    assert_eq!(without.decide(&full).withheld(), None, "it would not be offered anyway");
    let alone = Policy { transports: list("websocket"), ..capped };
    let decision = alone.decide(&PolicyInput { counts: ill, ..input("websocket", Step::Opens) });
    assert_eq!(decision.offered(), ["websocket"], "better than nothing");
    assert_eq!(decision.withheld(), None);
}

#[test]
fn labels_are_those_of_the_table() {
    let refusals = [
        Refusal::Transport { asked: "x", allowed: String::new(), rule: None },
        Refusal::Origin { origin: String::new(), setting: String::new() },
        Refusal::Unnamed,
        Refusal::Scheme { page: Scheme::Http, reached: Scheme::Https },
        Refusal::Sessions { limit: 1 },
        Refusal::SessionsOfAddress { limit: 1 },
        Refusal::WebSockets { limit: 1 },
        Refusal::Handshakes { wait: Duration::ZERO },
        Refusal::Breaker { left: Duration::ZERO },
        Refusal::Login { wait: None },
    ];
    let labels: Vec<&str> = refusals.iter().map(Refusal::label).collect();
    assert_eq!(labels, LABELS);
}

#[test]
fn differences_are_told_by_setting() {
    let old = policy("websocket,xhr-polling");
    let mut new = Policy { match_origin_protocol: true, ..policy("websocket") };
    new.rules.push(rule("office", "htmlfile"));
    new.caps.websockets = 35;
    assert_eq!(
        old.difference(&new),
        [
            "transports: websocket,xhr-polling -> websocket",
            "rules:  -> office=htmlfile",
            "match-origin-protocol: false -> true",
            "max-websockets: 0 -> 35",
        ]
    );
    assert!(new.difference(&new.clone()).is_empty());
    let mut other = new.clone();
    other.rules[0].agents.push(Pattern::new("*x*"));
    assert_eq!(new.difference(&other), ["rules: other conditions -> these"]);
}
