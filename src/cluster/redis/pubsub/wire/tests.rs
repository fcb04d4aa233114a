use bytes::Bytes;
use serde_json::json;
use std::time::Duration;

use super::*;

const NEW: OldestAdapter = OldestAdapter::V7;

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn of(rooms: &[&str], except: &[&str]) -> Selector {
    Selector { rooms: names(rooms), except: names(except) }
}

fn event(name: &str, values: serde_json::Value, attachments: &[&'static [u8]]) -> Packet {
    let serde_json::Value::Array(values) = values else { panic!() };
    let attachments = attachments.iter().map(|it| Bytes::from_static(it)).collect();
    Packet { name: name.to_owned(), args: Args { values, attachments } }
}

/// What Node's servers publish, and we as well, byte by byte.
#[test]
fn broadcasts_are_those_of_nodes_servers() {
    let placeholder = json!({ "_placeholder": true, "num": 0 });
    for (hex, packet, selector, channel) in [
        (
            "93a641704b33332d83a47479706502a46461746193a568656c6c6fa677c3b6726c6401a36e7370a12f
             83a5726f6f6d7390a665786365707490a5666c61677380",
            event("hello", json!(["wörld", 1]), &[]),
            of(&[], &[]),
            "socket.io#/#",
        ),
        (
            "93a641704b33332d83a47479706502a46461746192a568656c6c6f81a16101a36e7370a12f
             83a5726f6f6d7391a27231a665786365707490a5666c61677380",
            event("hello", json!([{ "a": 1 }]), &[]),
            of(&["r1"], &[]),
            "socket.io#/#r1#",
        ),
        (
            "93a641704b33332d83a47479706502a46461746191a568656c6c6fa36e7370a12f
             83a5726f6f6d7392a27231a27232a665786365707491a27a7aa5666c61677380",
            event("hello", json!([]), &[]),
            of(&["r1", "r2"], &["zz"]),
            "socket.io#/#",
        ),
        (
            "93a641704b33332d83a47479706502a46461746192a362696ec4030102ffa36e7370a12f
             83a5726f6f6d7391a27231a665786365707490a5666c61677380",
            event("bin", json!([placeholder]), &[&[1, 2, 255]]),
            of(&["r1"], &[]),
            "socket.io#/#r1#",
        ),
        (
            "93a641704b33332d83a47479706502a46461746193a16ecb3ff8000000000000ffa36e7370a12f
             83a5726f6f6d7390a665786365707490a5666c61677380",
            event("n", json!([1.5, -1]), &[]),
            of(&[], &[]),
            "socket.io#/#",
        ),
    ] {
        let hex = bytes(hex);
        let written = Broadcast::write("ApK33-", "/", &packet, (&selector, Flags::default()), NEW);
        assert_eq!(written.unwrap(), hex, "{}", packet.name);
        let read = Broadcast::read(&hex, NEW).unwrap();
        assert_eq!((&*read.uid, &*read.namespace), ("ApK33-", "/"));
        assert_eq!((read.packet, read.selector.clone()), (packet, selector));
        assert_eq!(&*Channels::new("socket.io", "/", "u").of(&read.selector), channel);
    }
}

#[test]
fn a_channel_says_which_room_is_meant() {
    let channels = Channels::new("socket.io", "/a", "ApK33-");
    assert_eq!(channels.room("socket.io#/a#"), Some(None));
    assert_eq!(channels.room("socket.io#/a#r#1#"), Some(Some("r#1")), "a room may have a #");
    assert_eq!(channels.room("socket.io#/a#r"), None);
    assert_eq!(channels.room("socket.io#/#"), None);
    assert_eq!(&*channels.own_responses, "socket.io-response#/a#ApK33-#");
}

#[test]
fn requests_are_those_of_nodes_servers() {
    let (all, flags) = (of(&[], &[]), Flags::default());
    fn write(request: Option<&str>, ask: Ask<'_>) -> String {
        let written = write_request("ApK33-", request, "/", ask, NEW).unwrap();
        String::from_utf8(written).unwrap()
    }
    assert_eq!(
        write(Some("36Q4q5"), Ask::Fetch(&all)),
        r#"{"uid":"ApK33-","requestId":"36Q4q5","type":5,"opts":{"rooms":[],"except":[]}}"#
    );
    assert_eq!(
        write(None, Ask::Join(&of(&["a"], &["b"]), &names(&["c"]))),
        r#"{"uid":"ApK33-","type":2,"opts":{"rooms":["a"],"except":["b"]},"rooms":["c"]}"#
    );
    assert_eq!(
        write(None, Ask::Disconnect(&all, true)),
        r#"{"uid":"ApK33-","type":4,"opts":{"rooms":[],"except":[]},"close":true}"#
    );
    assert_eq!(
        write(None, Ask::ServerSide(&event("e", json!([1]), &[]))),
        r#"{"uid":"ApK33-","type":6,"data":["e",1]}"#
    );
    let flags = Flags { timeout: Some(Duration::from_millis(400)), ..flags };
    let packet = event("q", json!([1]), &[]);
    let written =
        write_request("ApK33-", Some("2NIr7p"), "/", Ask::Clients(&packet, &all, flags), NEW);
    let vector =
        "85a3756964a641704b33332da9726571756573744964a6324e49723770a47479706507a67061636b657483a474
         79706502a46461746192a17101a36e7370a12fa46f70747383a5726f6f6d7390a665786365707490a5666c6167
         7381a774696d656f7574cd0190";
    let json = r#"{"uid":"ApK33-","requestId":"2NIr7p","type":7,"packet":{"type":2,"data":["q",1],"nsp":"/"},"opts":{"rooms":[],"except":[],"flags":{"timeout":400}}}"#;
    assert_eq!(String::from_utf8(written.unwrap()).unwrap(), json);
    let asked = Asked::Clients { packet, namespace: Some("/".into()), selector: all, flags };
    let (uid, id) = (Some("ApK33-".into()), Some("2NIr7p".into()));
    let request = Request { uid, id, is_old: false, asked };
    // Node's servers write MessagePack in any case, and read both.
    assert_eq!(Request::read(&bytes(vector)).unwrap(), request);
    assert_eq!(Request::read(json.as_bytes()).unwrap(), request);
}

#[test]
fn requests_of_all_servers_and_emitters_are_read() {
    let one = |id: &str| of(&[id], &[]);
    let of_one = |id: &str, asked| Asked::OfOne(id.into(), Box::new(asked));
    for (text, request, is_old, asked) in [
        (
            r#"{"requestId":"a","type":0,"rooms":["r",7]}"#,
            "a",
            false,
            Asked::Sockets(of(&["r", "7"], &[])),
        ),
        (r#"{"uid":"u","requestId":"a","type":1}"#, "a", false, Asked::AllRooms),
        (
            r#"{"type":3,"opts":{"rooms":["r"]},"rooms":["s"]}"#,
            "",
            false,
            Asked::Leave(one("r"), names(&["s"])),
        ),
        (
            r#"{"requestId":"a","type":2,"sid":"x","room":"r"}"#,
            "a",
            false,
            of_one("x", Asked::Join(one("x"), names(&["r"]))),
        ),
        (
            r#"{"requestId":"a","type":4,"sid":"x","close":true}"#,
            "a",
            false,
            of_one("x", Asked::Disconnect(one("x"), true)),
        ),
        (
            r#"{"uid":"emitter","type":6,"data":["e",1]}"#,
            "",
            false,
            Asked::ServerSide(event("e", json!([1]), &[])),
        ),
        (r#"{"requestid":"a","type":0,"rooms":["r"]}"#, "a", true, Asked::Sockets(one("r"))),
        (r#"{"requestid":"a","type":1,"sid":"x"}"#, "a", true, Asked::RoomsOf("x".into())),
        (r#"{"requestid":"a","type":2}"#, "a", true, Asked::AllRooms),
        (
            r#"{"requestid":"a","type":3,"sid":"x","room":"r"}"#,
            "a",
            true,
            of_one("x", Asked::Join(one("x"), names(&["r"]))),
        ),
        (
            r#"{"requestid":"a","type":4,"sid":"x","room":"r"}"#,
            "a",
            true,
            of_one("x", Asked::Leave(one("x"), names(&["r"]))),
        ),
        (r#"{"requestid":"a","type":5,"data":1}"#, "a", true, Asked::Custom),
        (
            r#"{"requestid":"a","type":6,"sid":"x","close":false}"#,
            "a",
            true,
            of_one("x", Asked::Disconnect(one("x"), false)),
        ),
    ] {
        let read = Request::read(text.as_bytes()).unwrap();
        assert_eq!(read.id.as_deref().unwrap_or(""), request, "{text}");
        assert_eq!((read.is_old, read.asked), (is_old, asked), "{text}");
    }
    for bad in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"type":9}"#,
        r#"{"type":"x"}"#,
        r#"{"type":6,"data":{}}"#,
        r#"{"type":2,"opts":{"rooms":"r"},"rooms":["s"]}"#,
        r#"{"requestid":"a","type":7}"#,
        "\u{c1}",
    ] {
        assert!(Request::read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn responses_are_those_of_nodes_servers() {
    let text = |is_old, say| {
        String::from_utf8(write_response("36Q4q5", is_old, say, NEW).unwrap()).unwrap()
    };
    let ids = names(&["a", "b"]);
    assert_eq!(
        text(false, Say::Names("sockets", &ids)),
        r#"{"requestId":"36Q4q5","sockets":["a","b"]}"#
    );
    assert_eq!(text(false, Say::Names("rooms", &[])), r#"{"requestId":"36Q4q5","rooms":[]}"#);
    assert_eq!(
        text(true, Say::Names("clients", &ids)),
        r#"{"requestid":"36Q4q5","clients":["a","b"]}"#
    );
    assert_eq!(text(true, Say::Done), r#"{"requestid":"36Q4q5"}"#);
    assert_eq!(text(false, Say::Sockets(&[])), r#"{"requestId":"36Q4q5","sockets":[]}"#);
    assert_eq!(text(false, Say::Count(0)), r#"{"type":8,"requestId":"36Q4q5","clientCount":0}"#);
    let answer = Args::from(vec![json!([1, "x"])]);
    assert_eq!(
        text(false, Say::ServerSide(&answer)),
        r#"{"type":6,"requestId":"36Q4q5","data":[1,"x"]}"#
    );
    let nothing = Args::default();
    assert_eq!(text(false, Say::ServerSide(&nothing)), r#"{"type":6,"requestId":"36Q4q5"}"#);
    let vector =
        bytes("83a47479706509a9726571756573744964a6324e49723770a67061636b6574a661636b2d6362");
    let ack = Args::from(vec![json!("ack-cb")]);
    assert_eq!(text(false, Say::Ack(&ack)), r#"{"type":9,"requestId":"36Q4q5","packet":"ack-cb"}"#);
    let binary =
        Args { values: vec![json!({ "_placeholder": true, "num": 0 })], ..Args::default() };
    let binary = Args { attachments: vec![Bytes::from_static(&[1, 255])], ..binary };
    let written = write_response("36Q4q5", false, Say::Ack(&binary), NEW).unwrap();
    let whole = "83a47479706509a9726571756573744964a6333651347135a67061636b6574c40201ff";
    assert_eq!(written, bytes(whole));
    let read = Response::read(&vector).unwrap().unwrap();
    assert_eq!(&*read.request, "2NIr7p");
    assert_eq!(read.told().unwrap(), Told::Ack(ack));
    let old = Response::read(br#"{"requestid":"a","clients":["x",7]}"#).unwrap().unwrap();
    let ids: Vec<String> = old.sockets().unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(ids, ["x", "7"]);
    assert!(Response::read(br#"{"data":null}"#).unwrap().is_none());
}

/// What `msgpack-js` made of the same messages in old servers.
#[test]
fn old_servers_have_their_own_messagepack_and_packets() {
    let placeholder = json!({ "_placeholder": true, "num": 0 });
    let everybody = of(&[], &[]);
    let ours = "83a5726f6f6d7390a665786365707490a5666c61677380";
    let write = |packet: &Packet, oldest| {
        let whom = (&everybody, Flags::default());
        Broadcast::write("u12345", "/", packet, whom, oldest).unwrap()
    };
    for (packet, new, middle, old) in [
        (
            event(&"x".repeat(40), json!([1_u64 << 40]), &[]),
            format!("02a46461746192d928{}cf0000010000000000", "78".repeat(40)),
            format!("02a46461746192d928{}cf0000010000000000", "78".repeat(40)),
            format!("02a46461746192da0028{}cb4270000000000000", "78".repeat(40)),
        ),
        (
            event("bin", json!([placeholder]), &[&[1, 2, 255]]),
            "02a46461746192a362696ec4030102ff".to_owned(),
            "05a46461746192a362696ec4030102ff".to_owned(),
            "05a46461746192a362696ed800030102ff".to_owned(),
        ),
    ] {
        for (oldest, middle) in [
            (OldestAdapter::V7, new.clone()),
            (OldestAdapter::V6, new),
            (OldestAdapter::V3, middle),
            (OldestAdapter::V0_2, old.clone()),
            (OldestAdapter::V0_1, old.clone()),
        ] {
            let whole = format!("93a675313233343583a474797065{middle}a36e7370a12f{ours}");
            let written = write(&packet, oldest);
            assert_eq!(written, bytes(&whole), "{oldest:?}");
            for reader in [OldestAdapter::V7, OldestAdapter::V3, OldestAdapter::V0_2] {
                let read = Broadcast::read(&written, reader).unwrap();
                assert_eq!(read.packet.name, packet.name, "{oldest:?}");
                assert_eq!(read.packet.args.attachments, packet.args.attachments);
            }
        }
        let first = Broadcast::write_first("/", &packet, (&everybody, Flags::default()));
        let whole = format!("9283a474797065{old}a36e7370a12f{ours}");
        assert_eq!(first.unwrap(), bytes(&whole));
    }
    // With `undefined` for what there is not.
    let hex = "93a675313233343583a47479706505a46461746193a362696ed800030102ffc4a36e7370a12f
               82a5726f6f6d73c4a5666c616773c4";
    let read = Broadcast::read(&bytes(hex), NEW).unwrap();
    assert_eq!(read.packet, event("bin", json!([placeholder, null]), &[&[1, 2, 255]]));
    assert_eq!((&*read.uid, read.selector), ("u12345", of(&[], &[])));
}

#[test]
fn broadcasts_of_0_1_have_the_name_of_the_server_in_that_of_the_channel() {
    let hex = "9283a47479706502a46461746193a568656c6c6fa677c3b6726c6401a36e7370a12f
               82a5726f6f6d73c4a5666c616773c4";
    let read = Broadcast::read_first("socket.io#wWFERR", &bytes(hex)).unwrap();
    assert_eq!((&*read.uid, &*read.namespace), ("wWFERR", "/"));
    assert_eq!(read.packet, event("hello", json!(["wörld", 1]), &[]));
    let hex = "9283a47479706502a46461746192a568656c6c6f81a16101a36e7370a22f61
               83a665786365707491a3616263a5726f6f6d73c4a5666c61677381a962726f616463617374c3";
    let read = Broadcast::read_first("socket.io#wWFERR", &bytes(hex)).unwrap();
    assert_eq!((&*read.namespace, read.selector), ("/a", of(&[], &["abc"])));
    for bad in
        ["", "91c0", "92c0c0", "93a675313233343583a47479706502a46461746191a161a36e7370a12f80"]
    {
        assert!(Broadcast::read_first("socket.io#wWFERR", &bytes(bad)).is_err(), "{bad}");
    }
}

#[test]
fn old_servers_are_asked_in_their_own_words_and_never_by_messagepack() {
    let written = write_old_fetch("ApK33-", "a", &names(&["r"])).unwrap();
    assert_eq!(written, br#"{"uid":"ApK33-","requestid":"a","type":0,"rooms":["r"]}"#);
    let packet = event("q", json!([{ "_placeholder": true, "num": 0 }]), &[&[1, 255]]);
    let buffer = json!({ "type": "Buffer", "data": [1, 255] });
    let all = of(&[], &[]);
    for oldest in [OldestAdapter::V6, OldestAdapter::V3, OldestAdapter::V0_2] {
        for ask in [Ask::Clients(&packet, &all, Flags::default()), Ask::ServerSide(&packet)] {
            let written = write_request("u", Some("a"), "/", ask, oldest).unwrap();
            let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
            let data = if read["type"] == 7 { &read["packet"]["data"] } else { &read["data"] };
            assert_eq!(*data, json!(["q", buffer]));
        }
        for say in [Say::Ack(&packet.args), Say::ServerSide(&packet.args)] {
            let written = write_response("a", false, say, oldest).unwrap();
            let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
            let key = if read["type"] == 9 { "packet" } else { "data" };
            assert_eq!(read[key], buffer);
        }
    }
}
