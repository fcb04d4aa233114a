//! Tests of layers and errors, and that every key is documented.

use std::path::Path;
use std::time::Duration;

use super::bounds::BOUNDS;
use super::*;

const KNOWN: [&str; 3] = ["websocket", "xhr-polling", "jsonp-polling"];

fn file(text: &str) -> Result<Layer, String> {
    Layer::from_text(text, Path::new("t.toml"), &KNOWN).map_err(|error| error.to_string())
}

#[test]
fn errors_name_the_line_and_what_was_expected() {
    let error = file("port = 3000\n\nping-intervall = \"25s\"\n").unwrap_err();
    assert!(
        error.starts_with("t.toml:3:1: unknown field `ping-intervall`, expected one of `host`, "),
        "{error}"
    );
    let error = file("ping-interval = \"25\"").unwrap_err();
    assert_eq!(
        error,
        "t.toml:1:17: `25` is no time, expected a whole number with a unit, such as 500ms, 25s or 2m"
    );
    let error = file("\ntransports = [\"websocket\", \"flash\"]").unwrap_err();
    assert_eq!(
        error,
        "t.toml:2:14: transports: unknown transport \"flash\": known are websocket, xhr-polling, jsonp-polling, polling (both polling forms)"
    );
    let error = file("port = \"x\"").unwrap_err();
    assert_eq!(
        error,
        "t.toml:1:8: invalid type: string \"x\", expected a whole number from 0 to 65535"
    );
    let error = file("transports = \"websocket\"").unwrap_err();
    assert!(error.ends_with("expected a list, as in [\"a\", \"b\"]"), "{error}");
    let error = file("duplicate-names = \"yes\"").unwrap_err();
    assert!(error.ends_with("expected true or false"), "{error}");
    assert_eq!(
        file("max-payload = 10").unwrap_err(),
        "t.toml:1:15: max-payload: expected 1024 at least"
    );
    assert!(file("port = ").unwrap_err().starts_with("t.toml:1:8: "));
}

#[test]
fn errors_of_rooms_name_the_table_and_its_line() {
    let rooms = |second: &str| {
        let text = "port = 1\n[[room]]\nnames = [\"a\"]\n\n[[room]]\n";
        file(&format!("{text}{second}")).unwrap_err()
    };
    for (second, error) in [
        ("names = [\"a b\"]", "t.toml:6:9: room: room 2: `a b` is no name of a room"),
        ("names = []", "t.toml:6:9: room: room 2: an empty list fits no room"),
        ("names = [\"b\"]\nreplay = 201", "t.toml:7:10: room: room 2: expected 200 at most"),
        ("names = [\"b\"]\nslow = \"25h\"", "t.toml:7:8: room: room 2: expected a day at most"),
        ("names = [\"b\"]\nread = [\"\"]", "t.toml:7:8: room: room 2: expected names of roles"),
        ("names = [\"b\"]\ntitle = \"a\\nb\"", "t.toml:7:9: room: room 2: expected 100 charac"),
        ("names = [\"b\"]\nslw = 1", "t.toml:7:1: unknown field `slw`"),
        ("title = \"b\"", "t.toml:5:1: missing field `names`"),
    ] {
        assert!(rooms(second).starts_with(error), "{}", rooms(second));
    }
}

#[test]
fn rooms_have_what_tables_and_settings_say() {
    let text = "replay = 5\nhistory = 9\n[[room]]\nnames = [\"a*\"]\nhistory = 3\nslow = \"2s\"\n";
    let settings = Settings::complete(file(text).unwrap(), &KNOWN);
    let rules = settings.room_rules();
    let (a, b) = (rules.of("/ab"), rules.of("/b"));
    assert_eq!((a.history, a.replay, a.slow), (Some(3), Some(5), Some(Duration::from_secs(2))));
    assert_eq!((b.history, b.replay, b.slow), (Some(9), Some(5), None));
}

#[test]
fn errors_of_rules_name_the_rule_and_its_line() {
    let rules = |second: &str| {
        let text = "port = 1\n[[rules]]\ntransports = [\"websocket\"]\n\n[[rules]]\n";
        file(&format!("{text}{second}")).unwrap_err()
    };
    let error = rules("name = \"b\"\ntransports = [\"flash\"]");
    assert!(error.starts_with("t.toml:7:14: rules: rule b: unknown transport"), "{error}");
    let error = rules("networks = [\"x\"]\ntransports = [\"polling\"]");
    assert!(error.starts_with("t.toml:6:12: rules: rule 2: `x` is no network"), "{error}");
    let error = rules("agents = []\ntransports = [\"polling\"]");
    assert!(error.starts_with("t.toml:6:10: rules: rule 2: an empty list"), "{error}");
    let error = rules("name = \"b\"");
    assert_eq!(error, "t.toml:6:8: rules: rule b: it gives neither transports nor eio3-polls");
    let error = rules("");
    assert!(
        error.ends_with("rules: rule 2: it gives neither transports nor eio3-polls"),
        "{error}"
    );
    let error = rules("eio3-polls = \"txt\"");
    assert_eq!(error, "t.toml:6:14: rules: rule 2: expected octets or text, not \"txt\"");
    let error = rules("namespaces = [\"/\"]\neio3-polls = \"text\"");
    assert!(error.starts_with("t.toml:7:14: rules: rule 2: the form of polls is"), "{error}");
    let error = rules("network = [\"x\"]\ntransports = [\"polling\"]");
    assert!(error.starts_with("t.toml:6:1: unknown field `network`"), "{error}");
}

#[test]
fn errors_of_listening() {
    for (text, expected) in [
        ("breaker-failures = 17", "t.toml:1:20: breaker-failures: expected 16 at most"),
        ("heal-rest = \"1m\"", "t.toml:1:1: unknown field `heal-rest`, it is `breaker-rest` now"),
        ("hsts = \"1500ms\"", "t.toml:1:8: hsts: expected whole seconds"),
        ("hsts = \"3651d\"", "t.toml:1:8: hsts: expected 3650d at most"),
        (
            "eio3-polls = \"binary\"",
            "t.toml:1:14: eio3-polls: expected octets or text, not \"binary\"",
        ),
        (
            "cluster-adapter = \"nats\"",
            "t.toml:1:19: cluster-adapter: expected redis, redis-sharded or redis-streams, not \"nats\"",
        ),
        (
            "cluster-prefix = \"a#b\"",
            "t.toml:1:18: cluster-prefix: expected 1 to 128 characters of ASCII, with neither a space nor a #",
        ),
        (
            "cluster-oldest = \"9\"",
            "t.toml:1:18: cluster-oldest: expected the version of an adapter: 0.1, 0.2, or 1 to 8",
        ),
        (
            "admin-ui = \"on\"",
            "t.toml:1:12: admin-ui: expected off, production or development, not \"on\"",
        ),
        ("log-format = \"yaml\"", "t.toml:1:14: log-format: expected text or json, not \"yaml\""),
        (
            "host = \"999.1.1.1\"",
            "t.toml:1:8: host: `999.1.1.1` is no address: IPv4 is written as four numbers from 0 to 255",
        ),
        (
            "admin-token = \"too short\"",
            "t.toml:1:15: admin-token: expected 16 characters at least",
        ),
        (
            "admin-token = \"sixteen and more \"",
            "t.toml:1:15: admin-token: expected 256 characters of ASCII at most, with no space at either end",
        ),
        (
            "admin-token = \"sixteen and \\tmore\"",
            "t.toml:1:15: admin-token: expected 256 characters of ASCII at most, with no space at either end",
        ),
        (
            "admin-token = \"sixteen and möre\"",
            "t.toml:1:15: admin-token: expected 256 characters of ASCII at most, with no space at either end",
        ),
        (
            &format!("admin-token = \"{}\"", "x".repeat(257)),
            "t.toml:1:15: admin-token: expected 256 characters of ASCII at most, with no space at either end",
        ),
        (
            "admin-address = \"3001\"",
            "t.toml:1:17: admin-address: `3001` is none, expected an address and a port, such as 127.0.0.1:3001",
        ),
        (
            "trusted-proxies = [\"private\", \"proxy.example\"]",
            "t.toml:1:19: trusted-proxies: `proxy.example` is no network, expected an address or a range such as 10.0.0.0/8 or 2001:db8::/32",
        ),
    ] {
        assert_eq!(file(text).unwrap_err(), expected);
    }
    for token in ["a b c d e f g h!", "sixteen and more", &"x".repeat(256)] {
        assert!(file(&format!("admin-token = \"{token}\"")).is_ok(), "{token}");
    }
    let agree = |text: &str| {
        let settings = Settings::complete(file(text).unwrap(), &KNOWN);
        settings.check_consistency().map_err(|error| error.to_string())
    };
    for (text, expected) in [
        (
            "tls-cert = [\"a\", \"b\"]\ntls-key = [\"a\"]",
            "tls-cert: 2 of them, but 1 of tls-key: each needs its own key",
        ),
        ("redirect-port = 80", "redirect-port: there is no https here without tls-cert"),
        (
            "port = 443\nredirect-port = 443\ntls-cert = [\"a\"]\ntls-key = [\"a\"]",
            "redirect-port: 443 is the port for https already",
        ),
        (
            "admin-address = \"127.0.0.1:3001\"",
            "admin-address: nobody could ask anything there without admin-token or metrics-token",
        ),
        (
            "admin-address = \"127.0.0.1:3000\"\nmetrics-token = \"sixteen characters\"",
            "admin-address: 3000 is port already",
        ),
        (
            "admin-address = \"127.0.0.1:80\"\nadmin-token = \"sixteen characters\"\nport = 443\n\
             redirect-port = 80\ntls-cert = [\"a\"]\ntls-key = [\"a\"]",
            "admin-address: 80 is redirect-port already",
        ),
        (
            "proxy-protocol = true",
            "proxy-protocol: nobody could connect, because trusted-proxies is empty",
        ),
        ("nodes = [\"10.0.0.1:1\"]", "nodes: without node-listen nobody could reach this node"),
        (
            "node-address = \"10.0.0.1:1\"",
            "node-address: without node-listen nobody could reach this node",
        ),
        ("node-tls-ca = \"a\"", "node-tls-cert: without node-listen nobody could reach this node"),
        (
            "node-listen = \"10.0.0.1:1\"",
            "node-listen: without cluster-key anybody could pass for a node",
        ),
        (
            "cluster-key = \"x\"\nnode-listen = \"10.0.0.1:1\"\nnode-tls-key = \"a\"",
            "node-tls-cert: it takes all three: node-tls-cert, node-tls-key, node-tls-ca",
        ),
        (
            "cluster-key = \"x\"\nnode-listen = \"10.0.0.1:3000\"",
            "node-listen: 3000 is port already",
        ),
        (
            "cluster-key = \"x\"\nnode-listen = \"10.0.0.1:1\"\nadmin-address = \"10.0.0.1:1\"\n\
             admin-token = \"sixteen characters\"",
            "node-listen: 1 is admin-address already",
        ),
        (
            "cluster-key = \"x\"\nnode-listen = \"0.0.0.0:1\"",
            "node-listen: other nodes need an address: set node-address",
        ),
        (
            "cluster-key = \"x\"\nnode-listen = \"10.0.0.1:1\"",
            "nodes: it takes a list of all nodes, with this one, or cluster",
        ),
        (
            "cluster-key = \"x\"\nnode-listen = \"0.0.0.0:1\"\nnode-address = \"10.0.0.1:2\"\n\
             nodes = [\"10.0.0.1:1\", \"10.0.0.2:1\"]",
            "nodes: 10.0.0.1:2, which is this node (node-address), is not in the list",
        ),
        (
            "breaker-rest = \"2h\"",
            "breaker-rest: 7200s is more than breaker-longest, which is 3600s",
        ),
        (
            "message-max = \"64KiB\"\nmax-payload = \"64KiB\"",
            "message-max: 65536 bytes of a message do not come in by a max-payload of 65536, of which 1024 are for what is around it",
        ),
        (
            "message-max = 1\nmax-payload = 1024",
            "message-max: 1 bytes of a message do not come in by a max-payload of 1024, of which 1024 are for what is around it",
        ),
        (
            "queue-bytes = 65535",
            "message-max: 65536 bytes of a message do not fit into the 65535 that queue-bytes lets wait for one client",
        ),
        (
            "byte-rate = 10\nmessage-max = 21",
            "message-max: 21 bytes of a message are more than the 20 that a byte-rate of 10 lets through at once",
        ),
        (
            "queue-bytes-total = \"1MB\"",
            "queue-bytes-total: 1000000 bytes for all clients are less than the 1048576 that queue-bytes lets wait for one",
        ),
    ] {
        assert_eq!(agree(text), Err(expected.into()));
    }
    let sound = "port = 443\nredirect-port = 80\ntls-cert = [\"a\"]\ntls-key = [\"a\"]\n\
        proxy-protocol = true\ntrusted-proxies = [\"private\"]\nhsts = \"1d\"";
    assert_eq!(agree(sound), Ok(()));
    for sound in [
        "admin-address = \"[::1]:3001\"\nadmin-token = \"sixteen characters\"",
        "port = 0\nadmin-address = \"127.0.0.1:0\"\nadmin-token = \"sixteen characters\"",
        "cluster-key = \"x\"\nnode-listen = \"[::]:1\"\nnode-address = \"a.example:1\"\n\
         nodes = [\"a.example:1\"]",
        "cluster-key = \"x\"\nnode-listen = \"10.0.0.1:1\"\ncluster = \"redis://localhost\"",
        "queue-bytes-total = 0",
        "breaker-rest = \"2h\"\nbreaker-longest = \"2h\"",
        "queue-bytes-total = \"1MiB\"",
        "message-max = \"64KiB\"\nmax-payload = \"65KiB\"",
        "queue-bytes = 65536",
        "byte-rate = 10\nmessage-max = 20",
        "byte-rate = 0",
    ] {
        assert_eq!(agree(sound), Ok(()), "{sound}");
    }
    let off = Settings::complete(file("hsts = 0").unwrap(), &KNOWN);
    assert_eq!(off.hsts, None);
}

#[test]
fn later_layers_win() {
    let low = file("port = 1\nping-interval = \"1s\"\nmax-payload = 5000").unwrap();
    let high = Layer { port: Some(2), ..Layer::default() };
    let settings = Settings::complete(high.over(low), &KNOWN);
    assert_eq!(
        (settings.port, settings.ping_interval, settings.max_payload),
        (2, Duration::from_secs(1), 5000)
    );
    assert_eq!(settings.policy.transports.names(), KNOWN);
    assert_eq!(settings.queue_bytes, 1 << 20);
}

#[test]
fn the_shipped_file_says_nothing_but_the_defaults() {
    let shipped = include_str!("../../transports.toml");
    let known = crate::transport::names();
    let layer = Layer::from_text(shipped, Path::new(DEFAULT_FILE), &known).unwrap();
    let with = Settings::complete(layer, &known);
    assert_eq!(format!("{with:?}"), format!("{:?}", Settings::complete(Layer::default(), &known)));
    // The file has every key, some in comments.
    for key in known_keys() {
        let there =
            shipped.contains(&format!("{key} = ")) || shipped.contains(&format!("[[{key}]]"));
        assert!(there, "{key} is missing");
    }
}

/// The rows that the reference in docs/configuration.md should have, made of the flags and the shipped file.
fn reference() -> Vec<String> {
    let shipped = include_str!("../../transports.toml");
    let example = |key: &str| {
        let lines = shipped.lines().map(|line| line.trim_start_matches("# "));
        let line = lines.into_iter().find(|line| line.starts_with(&format!("{key} = ")));
        line.map_or_else(|| format!("[[{key}]]"), str::to_owned)
    };
    let flags = <Layer as clap::Args>::augment_args(clap::Command::new("parlance"));
    let row = |key: String| {
        let flag = flags.get_arguments().find(|flag| flag.get_long() == Some(&key));
        let Some(flag) = flag else {
            return format!(
                "| `{key}` | none | tables | | in the file only | | `{}` |",
                example(&key)
            );
        };
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        let default = help.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
        let default = default.map_or("none", |(default, _)| default);
        let unit = flag.get_value_names().map_or("text", |names| match &*names[0] {
            "TIME" => "time",
            "SIZE" => "size",
            "N" => "count",
            "BOOL" => "true, false",
            name if name.ends_with(",…") => "list",
            _ if key.ends_with("port") => "count",
            _ => "text",
        });
        let bounds = BOUNDS.iter().find(|bounds| bounds.key == key);
        let bounds = bounds.map(ToString::to_string).unwrap_or_default();
        let variable = flag.get_env().map(|name| name.to_string_lossy().into_owned());
        let variable = variable.unwrap_or_default();
        let row = format!("| `{key}` | {default} | {unit} | {bounds} | `--{key}` | `{variable}` |");
        format!("{row} `{}` |", example(&key)).replace("|  |", "| |")
    };
    known_keys().into_iter().map(row).collect()
}

#[test]
fn the_reference_names_every_setting() {
    let docs = include_str!("../../docs/configuration.md");
    let missing: Vec<String> =
        reference().into_iter().filter(|row| !docs.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks:\n{}", missing.join("\n"));
    let (_, table) = docs.split_once("## Reference").expect("a reference");
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, known_keys().len(), "and none that there is not");
    for key in known_keys() {
        let mentions = docs.matches(&format!("| `{key}`")).count();
        assert!(
            mentions >= 2,
            "{key}: one row with its meaning, one in the reference, not {mentions}"
        );
    }
}

#[test]
fn every_number_has_bounds_and_is_kept_to_them() {
    for bounds in BOUNDS {
        let key = bounds.key;
        let value = |value: u64| match bounds.in_words(value) {
            words if words.ends_with(|last: char| last.is_ascii_digit()) => words,
            words => format!("\"{words}\""),
        };
        let layer = |number: u64| file(&format!("{key} = {}", value(number)));
        let hsts = key == "hsts";
        for sound in [bounds.least, bounds.most] {
            assert!(layer(sound).is_ok(), "{key}: {:?}", layer(sound));
        }
        let too_much = layer(bounds.most + if hsts { 1000 } else { 1 });
        let error = too_much.unwrap_err();
        match key {
            // The type of a port bounds it already.
            "port" | "redirect-port" => assert!(error.contains("0 to 65535"), "{error}"),
            _ => {
                let expected = format!("{key}: expected {} at most", bounds.in_words(bounds.most));
                assert!(error.ends_with(&expected), "{error}");
            }
        }
        // The largest numbers are refused without an overflow.
        for absurd in [u64::from(u32::MAX) + 1, i64::MAX as u64] {
            assert!(file(&format!("{key} = {absurd}")).is_err() || absurd <= bounds.most, "{key}");
        }
        let zero = file(&format!("{key} = 0"));
        match bounds.to_string().starts_with('0') {
            true => assert!(zero.is_ok(), "{key}: {zero:?}"),
            false => {
                let expected =
                    format!("{key}: expected {} at least", bounds.in_words(bounds.least));
                assert!(zero.as_ref().unwrap_err().ends_with(&expected), "{zero:?}");
            }
        }
        if bounds.least > 1 {
            let below = if hsts { layer(500) } else { layer(bounds.least - 1) };
            assert!(below.is_err(), "{key}");
        }
    }
    let flags = <Layer as clap::Args>::augment_args(clap::Command::new("parlance"));
    let numbers = flags.get_arguments().filter_map(|flag| {
        let kind = flag.get_value_names()?.first()?;
        let is_number = matches!(kind.as_str(), "TIME" | "SIZE" | "N" | "PORT");
        (is_number || flag.get_long() == Some("port")).then(|| flag.get_long())?
    });
    let mut numbers: Vec<_> = numbers.collect();
    let mut bound: Vec<_> = BOUNDS.iter().map(|bounds| bounds.key).collect();
    numbers.sort_unstable();
    bound.sort_unstable();
    assert_eq!(numbers, bound);
}

fn known_keys() -> Vec<String> {
    let error = file("no-such-key = 1").unwrap_err();
    let keys: Vec<_> = error.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert!(keys.len() > 20, "{error}");
    keys
}
