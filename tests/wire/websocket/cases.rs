//! The cases of the Autobahn testsuite, written from their descriptions: what is sent, and what may come of it.
//!
//! The peer here is no echo server but an Engine.IO session of protocol 4. So a text message begins with the packet
//! type `4`: where a case is about lengths, it is the first octet of the payload that the case asks for (an empty
//! payload becomes `4`); elsewhere it is put in front. Binary messages are as they are.

use crate::support::ws::{BINARY, CLOSE, FIN, PING, PONG, TEXT, frame};

/// What a case hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    /// Nothing, at a [`Step::Wait`].
    Silence,
}

#[derive(Debug, Clone)]
pub enum Step {
    /// Sends bytes at once.
    Send(Vec<u8>),
    /// Sends bytes in pieces of that many.
    Chop(Vec<u8>, usize),
    /// Until the server has read all of it.
    Pause,
    /// The same; if the connection is open still, that is an event, and if not, the end.
    Wait,
    /// Sends a message and awaits its echo, that many times.
    Round(Vec<u8>, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    NonStrict,
}

pub struct Case {
    pub id: String,
    pub steps: Vec<Step>,
    /// What may be heard, and what it is worth.
    pub expected: Vec<(Verdict, Vec<Event>)>,
    /// The case closes the connection; if not, the server has to.
    pub closes: bool,
    /// The close frame is among the steps.
    pub closed_in_steps: bool,
    /// Codes that the server's close frame may have, if there is one.
    pub codes: Vec<u16>,
    /// The server has to answer with a close frame.
    pub clean: bool,
    /// Whatever happens is right.
    pub informational: bool,
}

const NORMAL: &[u16] = &[1000];
const PROTOCOL: &[u16] = &[1002];
const INVALID: &[u16] = &[1007];

impl Case {
    /// Events, then a close by the case.
    fn echo(id: impl ToString, steps: Vec<Step>, events: Vec<Event>) -> Self {
        Case {
            id: id.to_string(),
            steps,
            expected: vec![(Verdict::Ok, events)],
            closes: true,
            closed_in_steps: false,
            codes: NORMAL.to_vec(),
            clean: true,
            informational: false,
        }
    }

    /// Nothing is heard, and the server closes.
    fn fails(id: impl ToString, steps: Vec<Step>, codes: &[u16]) -> Self {
        let case = Case::echo(id, steps, vec![]);
        Case { closes: false, clean: false, codes: codes.to_vec(), ..case }
    }

    /// A message is echoed, and the server closes; that it is not echoed is less strict.
    fn fails_after(id: impl ToString, steps: Vec<Step>, event: Event) -> Self {
        let expected = vec![(Verdict::Ok, vec![event]), (Verdict::NonStrict, vec![])];
        Case { expected, ..Case::fails(id, steps, PROTOCOL) }
    }

    /// The steps close.
    fn closing(id: impl ToString, steps: Vec<Step>, codes: &[u16], clean: bool) -> Self {
        let case = Case::echo(id, steps, vec![]);
        Case { closed_in_steps: true, codes: codes.to_vec(), clean, ..case }
    }
}

fn send(first: u8, payload: impl AsRef<[u8]>) -> Step {
    Step::Send(frame(first, payload.as_ref()))
}

fn chop(first: u8, payload: impl AsRef<[u8]>, size: usize) -> Step {
    Step::Chop(frame(first, payload.as_ref()), size)
}

fn close(code: u16, reason: &[u8]) -> Step {
    send(FIN | CLOSE, [&code.to_be_bytes(), reason].concat())
}

/// A text message that is so long in all.
fn stars(length: usize) -> Vec<u8> {
    let mut text = vec![b'*'; length.max(1)];
    text[0] = b'4';
    text
}

fn four(payload: impl AsRef<[u8]>) -> Vec<u8> {
    [b"4", payload.as_ref()].concat()
}

/// A message in frames of at most that many octets.
fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> = payload.chunks(size).collect();
    let frames = pieces.iter().enumerate().map(|(at, piece)| {
        let first = if at == 0 { opcode } else { 0 };
        let last = if at + 1 == pieces.len() { FIN } else { 0 };
        frame(first | last, piece)
    });
    frames.collect::<Vec<_>>().concat()
}

/// All cases of the groups 1 to 7, 9 and 10, in their order.
pub fn all() -> Vec<Case> {
    let mut cases = framing();
    cases.extend(pings());
    cases.extend(reserved());
    cases.extend(fragmentation());
    cases.extend(utf8());
    cases.extend(utf8_sequences());
    cases.extend(closes());
    cases.extend(limits());
    cases.sort_by_key(|case| {
        let number = |part: &str| part.parse::<u32>().expect("a number");
        case.id.split('.').map(number).collect::<Vec<_>>()
    });
    cases
}

fn framing() -> Vec<Case> {
    let lengths = [0, 125, 126, 127, 128, 65535, 65536, 65536];
    let mut cases = Vec::new();
    for (at, length) in lengths.into_iter().enumerate() {
        let (text, data) = (stars(length), vec![0xfe; length]);
        let step = |first, payload: &[u8]| match at {
            7 => chop(first, payload, 997),
            _ => send(first, payload),
        };
        let texts = vec![step(FIN | TEXT, &text)];
        cases.push(Case::echo(format!("1.1.{}", at + 1), texts, vec![Event::Text(text)]));
        let binaries = vec![step(FIN | BINARY, &data)];
        cases.push(Case::echo(format!("1.2.{}", at + 1), binaries, vec![Event::Binary(data)]));
    }
    cases
}

fn pings() -> Vec<Case> {
    let mut cases = Vec::new();
    let payloads: [&[u8]; 4] =
        [b"", b"Hello, world!", b"\0\xff\xfe\xfd\xfc\xfb\0\xff", &[0xfe; 125]];
    for (at, payload) in payloads.into_iter().enumerate() {
        let pong = vec![Event::Pong(payload.to_vec())];
        cases.push(Case::echo(format!("2.{}", at + 1), vec![send(FIN | PING, payload)], pong));
    }
    cases.push(Case::fails("2.5", vec![send(FIN | PING, [0xfe; 126])], PROTOCOL));
    let pong = vec![Event::Pong(vec![0xfe; 125])];
    cases.push(Case::echo("2.6", vec![chop(FIN | PING, [0xfe; 125], 1)], pong));
    for (id, payload) in [("2.7", &b""[..]), ("2.8", b"unsolicited pong payload")] {
        let steps = vec![send(FIN | PONG, payload), close(1000, b"")];
        cases.push(Case::closing(id, steps, NORMAL, true));
    }
    let steps =
        vec![send(FIN | PONG, b"unsolicited pong payload"), send(FIN | PING, b"ping payload")];
    cases.push(Case::echo("2.9", steps, vec![Event::Pong(b"ping payload".to_vec())]));
    let payload = |n: usize| format!("payload-{n}").into_bytes();
    for (id, size) in [("2.10", 64), ("2.11", 1)] {
        let steps = (0..10).map(|n| chop(FIN | PING, payload(n), size)).collect();
        cases.push(Case::echo(id, steps, (0..10).map(|n| Event::Pong(payload(n))).collect()));
    }
    cases
}

fn reserved() -> Vec<Case> {
    let hello = four("Hello, world!");
    let heard = || Event::Text(hello.clone());
    let (rsv, ping) = (|bits: u8| bits << 4, || send(FIN | PING, b""));
    let text = || send(FIN | TEXT, &hello);
    let octets = |first: u8| chop(first, &hello, 1);
    let mut cases = vec![
        Case::fails("3.1", vec![send(FIN | TEXT | rsv(1), &hello)], PROTOCOL),
        Case::fails_after("3.2", vec![text(), send(FIN | TEXT | rsv(2), &hello), ping()], heard()),
        Case::fails_after(
            "3.3",
            vec![text(), Step::Pause, send(FIN | TEXT | rsv(3), &hello), Step::Pause, ping()],
            heard(),
        ),
        Case::fails_after(
            "3.4",
            vec![octets(FIN | TEXT), octets(FIN | TEXT | rsv(4)), chop(FIN | PING, b"", 1)],
            heard(),
        ),
        Case::fails(
            "3.5",
            vec![send(FIN | BINARY | rsv(5), b"\0\xff\xfe\xfd\xfc\xfb\0\xff")],
            PROTOCOL,
        ),
        Case::fails("3.6", vec![send(FIN | PING | rsv(6), b"Hello, world!")], PROTOCOL),
        Case::fails("3.7", vec![send(FIN | CLOSE | rsv(7), b"")], PROTOCOL),
    ];
    for (group, opcodes) in [(1, [3, 4, 5, 6, 7]), (2, [11, 12, 13, 14, 15])] {
        let id = |at: u8| format!("4.{group}.{at}");
        let [first, second, third, fourth, fifth] = opcodes.map(|opcode| FIN | opcode);
        cases.extend([
            Case::fails(id(1), vec![send(first, b"")], PROTOCOL),
            Case::fails(id(2), vec![send(second, b"reserved opcode payload")], PROTOCOL),
            Case::fails_after(id(3), vec![text(), send(third, b""), ping()], heard()),
            Case::fails_after(id(4), vec![text(), send(fourth, &hello), ping()], heard()),
            Case::fails_after(
                id(5),
                vec![octets(FIN | TEXT), octets(fifth), chop(FIN | PING, b"", 1)],
                heard(),
            ),
        ]);
    }
    cases
}

/// How the frames of a case are put on the wire.
#[derive(Clone, Copy)]
enum Wire {
    AtOnce,
    ByFrame,
    ByOctet,
}

impl Wire {
    fn put(self, frames: &[(u8, &[u8])]) -> Vec<Step> {
        let frames = frames.iter().map(|(first, payload)| frame(*first, payload));
        match self {
            Wire::AtOnce => vec![Step::Send(frames.collect::<Vec<_>>().concat())],
            Wire::ByFrame => frames.flat_map(|frame| [Step::Send(frame), Step::Pause]).collect(),
            Wire::ByOctet => frames.map(|frame| Step::Chop(frame, 1)).collect(),
        }
    }
}

fn fragmentation() -> Vec<Case> {
    const WIRES: [Wire; 3] = [Wire::AtOnce, Wire::ByFrame, Wire::ByOctet];
    let ping = || Event::Pong(b"ping payload".to_vec());
    let whole = || Event::Text(b"4fragment1fragment2".to_vec());
    let (one, two): (&[u8], &[u8]) = (b"4fragment1", b"fragment2");
    let at_once = |frames: &[(u8, &[u8])]| Wire::AtOnce.put(frames);
    let mut cases = vec![
        Case::fails("5.1", at_once(&[(PING, b"fragment1"), (FIN, two)]), PROTOCOL),
        Case::fails("5.2", at_once(&[(PONG, b"fragment1"), (FIN, two)]), PROTOCOL),
    ];
    for (at, wire) in WIRES.into_iter().enumerate() {
        let steps = wire.put(&[(TEXT, one), (FIN, two)]);
        cases.push(Case::echo(format!("5.{}", 3 + at), steps, vec![whole()]));
    }
    for (at, wire) in WIRES.into_iter().enumerate() {
        let steps = wire.put(&[(TEXT, one), (FIN | PING, b"ping payload"), (FIN, two)]);
        cases.push(Case::echo(format!("5.{}", 6 + at), steps, vec![ping(), whole()]));
    }
    for (at, last) in [FIN, 0].into_iter().enumerate() {
        for (n, wire) in WIRES.into_iter().enumerate() {
            let frames: [(u8, &[u8]); 2] =
                [(last, b"non-continuation payload"), (FIN | TEXT, b"4Hello, world!")];
            let id = format!("5.{}", 9 + 3 * at + n);
            cases.push(Case::fails(id, wire.put(&frames), PROTOCOL));
        }
    }
    let frames: [(u8, &[u8]); 4] =
        [(TEXT, one), (FIN, two), (0, b"fragment3"), (FIN | TEXT, b"4fragment4")];
    cases.push(Case::fails_after("5.15", at_once(&frames), whole()));
    for (id, last) in [("5.16", 0), ("5.17", FIN)] {
        let frames: [(u8, &[u8]); 3] =
            [(last, b"fragment1"), (TEXT, b"4fragment2"), (FIN, b"fragment3")];
        cases.push(Case::fails(id, at_once(&[frames, frames].concat()), PROTOCOL));
    }
    cases.push(Case::fails("5.18", at_once(&[(TEXT, one), (FIN | TEXT, two)]), PROTOCOL));
    for (id, wire) in [("5.19", Wire::AtOnce), ("5.20", Wire::ByFrame)] {
        let mut steps = wire.put(&[(TEXT, one), (0, two), (FIN | PING, b"pongme 1!")]);
        steps.push(Step::Pause);
        let rest: [(u8, &[u8]); 4] =
            [(0, b"fragment3"), (0, b"fragment4"), (FIN | PING, b"pongme 2!"), (FIN, b"fragment5")];
        steps.extend(wire.put(&rest));
        let pong = |text: &[u8]| Event::Pong(text.to_vec());
        let text = Event::Text(b"4fragment1fragment2fragment3fragment4fragment5".to_vec());
        cases.push(Case::echo(id, steps, vec![pong(b"pongme 1!"), pong(b"pongme 2!"), text]));
    }
    cases
}

/// Some Greek, of which every letter takes more than one octet.
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

fn utf8() -> Vec<Case> {
    let at_once = |frames: &[(u8, &[u8])]| Wire::AtOnce.put(frames);
    let text = |payload: &[u8]| vec![Event::Text(payload.to_vec())];
    let (hello, more) = (four("Hello-µ@ßöä"), "üàá-UTF-8!!".as_bytes());
    let both = [&hello[..], more].concat();
    let kosme = four(KOSME);
    let surrogate = four([KOSME, b"\xed\xa0\x80edited"].concat());
    let by_octet = |payload: &[u8]| vec![Step::Send(fragments(TEXT, payload, 1))];
    let mut cases = vec![
        Case::echo("6.1.1", vec![send(FIN | TEXT, b"4")], text(b"4")),
        Case::echo("6.1.2", at_once(&[(TEXT, b"4"), (0, b""), (FIN, b"")]), text(b"4")),
        Case::echo(
            "6.1.3",
            at_once(&[(TEXT, b""), (0, b"4middle frame payload"), (FIN, b"")]),
            text(b"4middle frame payload"),
        ),
        Case::echo("6.2.1", vec![send(FIN | TEXT, &both)], text(&both)),
        Case::echo("6.2.2", at_once(&[(TEXT, &hello), (FIN, more)]), text(&both)),
        Case::echo("6.2.3", by_octet(&both), text(&both)),
        Case::echo("6.2.4", by_octet(&kosme), text(&kosme)),
        Case::fails("6.3.1", vec![send(FIN | TEXT, &surrogate)], INVALID),
        Case::fails("6.3.2", by_octet(&surrogate), INVALID),
    ];
    // The octet at 12 makes it invalid.
    let beyond = [KOSME, b"\xf4\x90\x80\x80edited"].concat();
    let whole = frame(FIN | TEXT, &four(&beyond));
    let header = whole.len() - beyond.len();
    for (at, (first, second)) in [(11, 15), (12, 13), (11, 15), (12, 13)].into_iter().enumerate() {
        let mut steps = Vec::new();
        if at < 2 {
            let parts = [
                frame(TEXT, &four(&beyond[..first])),
                frame(0, &beyond[first..second]),
                frame(FIN, &beyond[second..]),
            ];
            parts.into_iter().for_each(|part| steps.extend([Step::Send(part), Step::Wait]));
        } else {
            let (first, second) = (header + first, header + second);
            for part in [&whole[..first], &whole[first..second], &whole[second..]] {
                steps.extend([Step::Send(part.to_vec()), Step::Wait]);
            }
        }
        steps.pop();
        let expected = vec![
            (Verdict::Ok, vec![Event::Silence]),
            (Verdict::NonStrict, vec![Event::Silence, Event::Silence]),
        ];
        let case = Case::fails(format!("6.4.{}", at + 1), steps, INVALID);
        cases.push(Case { expected, ..case });
    }
    cases
}

/// The groups 6.5 to 6.23: sequences of octets, and whether they are UTF-8.
fn sequences() -> Vec<Vec<(bool, Vec<u8>)>> {
    fn all(valid: bool, sequences: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
        sequences.iter().map(|sequence| (valid, sequence.to_vec())).collect()
    }
    let ends = [2, 5, 7, 9, 11];
    let prefixes = (1..=KOSME.len()).map(|at| (ends.contains(&at), KOSME[..at].to_vec()));
    let mut boundaries =
        all(true, &[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]);
    boundaries.push((false, b"\xf4\x90\x80\x80".to_vec()));
    let mut continuations = all(
        false,
        &[
            b"\x80",
            b"\xbf",
            b"\x80\xbf",
            b"\x80\xbf\x80",
            b"\x80\xbf\x80\xbf",
            b"\x80\xbf\x80\xbf\x80",
            b"\x80\xbf\x80\xbf\x80\xbf",
        ],
    );
    continuations.push((false, (0x80..0xbf).collect()));
    let lonely = [(0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd)];
    let lonely =
        lonely.map(|(from, to)| (false, (from..to).flat_map(|byte| [byte, b' ']).collect()));
    let unfinished: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    let mut noncharacters = all(true, &[b"\xef\xbf\xbe", b"\xef\xbf\xbf"]);
    for plane in 1..=16u32 {
        for last in [0xfffe, 0xffff] {
            let character = char::from_u32(plane << 16 | last).expect("a scalar value");
            noncharacters.push((true, character.to_string().into_bytes()));
        }
    }
    vec![
        all(
            true,
            &[
                b"hello\x24world",
                b"hello\xc2\xa2world",
                b"hello\xe2\x82\xacworld",
                b"hello\xf0\xa4\xad\xa2world",
                KOSME,
            ],
        ),
        prefixes.collect(),
        all(true, &[b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
        all(false, &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
        all(true, &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
        all(false, &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
        boundaries,
        continuations,
        lonely.to_vec(),
        all(false, &unfinished),
        vec![(false, unfinished.concat())],
        all(false, &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
        all(
            false,
            &[
                b"\xc0\xaf",
                b"\xe0\x80\xaf",
                b"\xf0\x80\x80\xaf",
                b"\xf8\x80\x80\x80\xaf",
                b"\xfc\x80\x80\x80\x80\xaf",
            ],
        ),
        all(
            false,
            &[
                b"\xc1\xbf",
                b"\xe0\x9f\xbf",
                b"\xf0\x8f\xbf\xbf",
                b"\xf8\x87\xbf\xbf\xbf",
                b"\xfc\x83\xbf\xbf\xbf\xbf",
            ],
        ),
        all(
            false,
            &[
                b"\xc0\x80",
                b"\xe0\x80\x80",
                b"\xf0\x80\x80\x80",
                b"\xf8\x80\x80\x80\x80",
                b"\xfc\x80\x80\x80\x80\x80",
            ],
        ),
        all(
            false,
            &[
                b"\xed\xa0\x80",
                b"\xed\xad\xbf",
                b"\xed\xae\x80",
                b"\xed\xaf\xbf",
                b"\xed\xb0\x80",
                b"\xed\xbe\x80",
                b"\xed\xbf\xbf",
            ],
        ),
        all(
            false,
            &[
                b"\xed\xa0\x80\xed\xb0\x80",
                b"\xed\xa0\x80\xed\xbf\xbf",
                b"\xed\xad\xbf\xed\xb0\x80",
                b"\xed\xad\xbf\xed\xbf\xbf",
                b"\xed\xae\x80\xed\xb0\x80",
                b"\xed\xae\x80\xed\xbf\xbf",
                b"\xed\xaf\xbf\xed\xb0\x80",
                b"\xed\xaf\xbf\xed\xbf\xbf",
            ],
        ),
        noncharacters,
        all(
            true,
            &[
                b"\xef\xbf\xb9",
                b"\xef\xbf\xba",
                b"\xef\xbf\xbb",
                b"\xef\xbf\xbc",
                b"\xef\xbf\xbd",
                b"\xef\xbf\xbe",
                b"\xef\xbf\xbf",
            ],
        ),
    ]
}

fn utf8_sequences() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, sequences) in sequences().into_iter().enumerate() {
        for (at, (valid, sequence)) in sequences.into_iter().enumerate() {
            let id = format!("6.{}.{}", group + 5, at + 1);
            let payload = four(sequence);
            let steps = vec![send(FIN | TEXT, &payload)];
            cases.push(match valid {
                true => Case::echo(id, steps, vec![Event::Text(payload)]),
                false => Case::fails(id, steps, INVALID),
            });
        }
    }
    cases
}

fn closes() -> Vec<Case> {
    let hello = four("Hello World!");
    let normal = |id: &str, steps| Case::closing(id, steps, NORMAL, true);
    let long = "4BAsd7&jh23".bytes().cycle().take(256 << 10).collect::<Vec<_>>();
    let last_words = vec![
        send(FIN | TEXT, long),
        send(FIN | TEXT, &hello),
        close(1000, b""),
        send(FIN | PING, b""),
    ];
    let mut cases = vec![
        Case::echo("7.1.1", vec![send(FIN | TEXT, &hello)], vec![Event::Text(hello.clone())]),
        normal("7.1.2", vec![close(1000, b""), send(FIN | CLOSE, b"")]),
        normal("7.1.3", vec![close(1000, b""), send(FIN | PING, b"")]),
        normal("7.1.4", vec![close(1000, b""), send(FIN | TEXT, &hello)]),
        normal("7.1.5", vec![send(TEXT, b"4fragment1"), close(1000, b""), send(FIN, b"fragment2")]),
        Case { informational: true, ..normal("7.1.6", last_words) },
        normal("7.3.1", vec![send(FIN | CLOSE, b"")]),
        Case::closing("7.3.2", vec![send(FIN | CLOSE, b"a")], PROTOCOL, false),
        normal("7.3.3", vec![close(1000, b"")]),
        normal("7.3.4", vec![close(1000, b"Hello World!")]),
        normal("7.3.5", vec![close(1000, &[b'*'; 123])]),
        Case::closing("7.3.6", vec![close(1000, &[b'*'; 124])], PROTOCOL, false),
        Case::closing(
            "7.5.1",
            vec![close(1000, &[KOSME, b"\xed\xa0\x80edited"].concat())],
            &[1002, 1007],
            false,
        ),
    ];
    let good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for (at, code) in good.into_iter().enumerate() {
        let id = format!("7.7.{}", at + 1);
        cases.push(Case::closing(id, vec![close(code, b"")], &[1000, code], true));
    }
    let bad = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    for (at, code) in bad.into_iter().enumerate() {
        let id = format!("7.9.{}", at + 1);
        cases.push(Case::closing(id, vec![close(code, b"")], PROTOCOL, false));
    }
    for (id, code) in [("7.13.1", 5000), ("7.13.2", 65535)] {
        let case = Case::closing(id, vec![close(code, b"")], PROTOCOL, false);
        cases.push(Case { informational: true, ..case });
    }
    cases
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn limits() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut both =
        |groups: (u8, u8), at: usize, length: usize, steps: &dyn Fn(u8, &[u8]) -> Step| {
            let (text, data) = (stars(length), vec![0xfe; length]);
            let id = |group| format!("9.{group}.{}", at + 1);
            let step = steps(TEXT, &text);
            cases.push(Case::echo(id(groups.0), vec![step], vec![Event::Text(text)]));
            let step = steps(BINARY, &data);
            cases.push(Case::echo(id(groups.1), vec![step], vec![Event::Binary(data)]));
        };
    let sizes = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
    for (at, length) in sizes.into_iter().enumerate() {
        both((1, 2), at, length, &|opcode, payload| send(FIN | opcode, payload));
    }
    let sizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
    for (at, size) in sizes.into_iter().enumerate() {
        both((3, 4), at, 4 * MIB, &|opcode, payload| Step::Send(fragments(opcode, payload, size)));
    }
    for (at, size) in [64, 128, 256, 512, 1024, 2048].into_iter().enumerate() {
        both((5, 6), at, MIB, &|opcode, payload| chop(FIN | opcode, payload, size));
    }
    for (at, length) in [0, 16, 64, 256, 1024, 4096].into_iter().enumerate() {
        for (group, opcode, payload) in [(7, TEXT, stars(length)), (8, BINARY, vec![0xfe; length])]
        {
            let id = format!("9.{group}.{}", at + 1);
            let steps = vec![Step::Round(frame(FIN | opcode, &payload), 1000)];
            let event = if opcode == TEXT { Event::Text(payload) } else { Event::Binary(payload) };
            cases.push(Case::echo(id, steps, vec![event; 1000]));
        }
    }
    let text = stars(65536);
    let steps = vec![Step::Send(fragments(TEXT, &text, 1300))];
    cases.push(Case::echo("10.1.1", steps, vec![Event::Text(text)]));
    cases
}
