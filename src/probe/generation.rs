//! The three generations of the protocol, as a client writes and reads them: URLs, packets, payloads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::failure::Failure;

/// A generation of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    Eio4,
    Eio3,
    V09,
}

/// A transport, by the policy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    EventSource,
    HtmlFile,
    Xhr,
    Jsonp,
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::EventSource => "eventsource",
            Transport::HtmlFile => "htmlfile",
            Transport::Xhr => "xhr-polling",
            Transport::Jsonp => "jsonp-polling",
        }
    }

    pub fn is_stream(self) -> bool {
        matches!(self, Transport::EventSource | Transport::HtmlFile)
    }

    pub fn is_poll(self) -> bool {
        matches!(self, Transport::Xhr | Transport::Jsonp)
    }
}

/// What the answer to a handshake says.
#[derive(Debug, Clone, Default)]
pub(super) struct Handshake {
    pub sid: String,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

/// The longest heartbeat that is believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Bytes of an id that are believed.
const LONGEST_SID: usize = 256;

impl Generation {
    pub const ALL: [Generation; 3] = [Generation::Eio4, Generation::Eio3, Generation::V09];

    pub fn name(self) -> &'static str {
        match self {
            Generation::Eio4 => "EIO=4",
            Generation::Eio3 => "EIO=3",
            Generation::V09 => "0.9",
        }
    }

    /// The clients that speak it.
    pub fn clients(self) -> &'static str {
        match self {
            Generation::Eio4 => "clients of 3.x and 4.x",
            Generation::Eio3 => "clients of 1.x and 2.x",
            Generation::V09 => "clients of 0.9",
        }
    }

    /// The transports that a client of this generation may have.
    pub fn transports(self) -> &'static [Transport] {
        use Transport::{EventSource, HtmlFile, Jsonp, WebSocket, Xhr};
        match self {
            Generation::V09 => &[WebSocket, HtmlFile, Xhr, Jsonp],
            _ => &[WebSocket, EventSource, HtmlFile, Xhr, Jsonp],
        }
    }

    /// The URL that opens a session by a transport. Streams are offered to Parlance's own client only.
    pub fn opening(self, path: &str, transport: Transport, own: bool) -> String {
        let version = match self {
            Generation::V09 => {
                let jsonp = if transport == Transport::Jsonp { "&jsonp=0" } else { "" };
                return format!("{path}1/?t={}{jsonp}", unique());
            }
            Generation::Eio3 => 3,
            Generation::Eio4 => 4,
        };
        let mut url = format!("{path}?EIO={version}&transport={}", wire(transport));
        match transport {
            Transport::Jsonp => url.push_str("&j=0"),
            Transport::HtmlFile => url.push_str("&j=0"),
            // Polls of this version may be octets otherwise.
            Transport::Xhr if self == Generation::Eio3 => url.push_str("&b64=1"),
            _ => {}
        }
        if own || transport.is_stream() {
            url.push_str("&client=parlance");
        }
        if transport != Transport::WebSocket {
            url.push_str(&format!("&t={}", unique()));
        }
        url
    }

    /// The URL of a session.
    pub fn carrying(self, path: &str, transport: Transport, sid: &str) -> String {
        match self {
            Generation::V09 => {
                let index = if transport == Transport::Jsonp { "&i=0" } else { "" };
                let begin = format!("{path}1/{}/{sid}", transport.name());
                match transport {
                    Transport::WebSocket => begin,
                    _ => format!("{begin}?t={}{index}", unique()),
                }
            }
            _ => format!("{}&sid={sid}", self.opening(path, transport, false)),
        }
    }

    /// Reads the packet that opens a session, or in 0.9 the answer to its handshake.
    pub fn handshake(self, text: &str) -> Result<Handshake, Failure> {
        let read = if self == Generation::V09 { read_fields(text) } else { read_open(text) };
        let good = |sid: &str| {
            !sid.is_empty() && sid.len() <= LONGEST_SID && sid.bytes().all(|b| b.is_ascii_graphic())
        };
        read.filter(|handshake| good(&handshake.sid)).ok_or_else(|| {
            let begin: String = text.chars().take(40).collect();
            Failure::garbled(format!("no handshake: {}", super::http::shown(&begin)))
        })
    }

    /// Joins packets, which are ASCII, to the body of a POST.
    pub fn payload(self, packets: &[String]) -> String {
        match self {
            Generation::Eio4 => packets.join("\x1e"),
            Generation::Eio3 => packets.iter().map(|one| format!("{}:{one}", one.len())).collect(),
            Generation::V09 => match packets {
                [one] => one.clone(),
                more => {
                    let frame = |one: &String| format!("\u{fffd}{}\u{fffd}{one}", one.len());
                    more.iter().map(frame).collect()
                }
            },
        }
    }

    /// The packets of a body.
    pub fn packets(self, body: &str) -> Result<Vec<String>, Failure> {
        match self {
            Generation::Eio4 => Ok(body.split('\x1e').map(str::to_owned).collect()),
            Generation::Eio3 => counted(body, |text| text.split_once(':')),
            Generation::V09 if body.starts_with('\u{fffd}') => {
                counted(body, |text| text.strip_prefix('\u{fffd}')?.split_once('\u{fffd}'))
            }
            Generation::V09 => Ok(vec![body.to_owned()]),
        }
    }

    /// The script of a JSONP answer: its payload.
    pub fn script(self, body: &str) -> Result<String, Failure> {
        let begin = if self == Generation::V09 { "io.j[0](" } else { "___eio[0](" };
        let inner = body.trim().trim_start_matches("/**/").trim_start().strip_prefix(begin);
        let inner = inner.and_then(|rest| rest.trim_end_matches(';').strip_suffix(')'));
        let text = inner.and_then(|text| serde_json::from_str::<String>(text).ok());
        text.ok_or_else(|| {
            let begin: String = body.chars().take(40).collect();
            Failure::garbled(format!("no script of JSONP: {}", super::http::shown(&begin)))
        })
    }

    /// The form of a JSONP request.
    pub fn form(self, payload: &str) -> Vec<u8> {
        let field = match self {
            Generation::V09 => Value::from(payload).to_string(),
            _ => payload.replace('\n', "\\n"),
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("d", &field).finish().into_bytes()
    }

    /// The answer to a heartbeat of the server, if `packet` is one.
    pub fn pong(self, packet: &str) -> Option<String> {
        match self {
            Generation::Eio4 if packet.starts_with('2') => Some(format!("3{}", &packet[1..])),
            Generation::V09 if packet.starts_with("2::") => Some("2::".to_owned()),
            _ => None,
        }
    }

    /// Whether a packet ends the session.
    pub fn is_end(self, packet: &str) -> bool {
        match self {
            Generation::V09 => packet == "0::" || packet.starts_with("7:::1"),
            _ => packet == "1",
        }
    }

    /// The packet that ends a session.
    pub fn goodbye(self) -> &'static str {
        if self == Generation::V09 { "0::" } else { "1" }
    }

    /// A packet that every server answers, and that no application hears of: a namespace that nobody has,
    /// or in 0.9 an event that the library acknowledges.
    pub fn question(self, number: u32, length: usize) -> Question {
        let name: String = noise(number).take(length.max(1)).collect();
        let name = format!("parlance-diagnose-{number}-{name}");
        match self {
            Generation::Eio4 => {
                Question { packet: format!("40/{name},"), answer: Expected::Named(name) }
            }
            Generation::Eio3 => {
                Question { packet: format!("40/{name}"), answer: Expected::Named(name) }
            }
            Generation::V09 => Question {
                packet: format!(r#"5:{number}::{{"name":"parlance-diagnose","args":["{name}"]}}"#),
                answer: Expected::Packet(format!("6:::{number}")),
            },
        }
    }

    /// The same on the stream of a session that was opened by polling: in Engine.IO, it probes the stream.
    pub fn question_on_stream(self) -> Question {
        match self {
            Generation::V09 => self.question(1, 16),
            _ => Question {
                packet: "2probe".to_owned(),
                answer: Expected::Packet("3probe".to_owned()),
            },
        }
    }

    /// Whether the answer to a question carries as much as the question.
    pub fn echoes(self) -> bool {
        self != Generation::V09
    }
}

/// A packet, and how its answer is known.
pub(super) struct Question {
    pub packet: String,
    pub answer: Expected,
}

#[derive(Debug)]
pub(super) enum Expected {
    /// It has this name in it.
    Named(String),
    Packet(String),
}

impl Expected {
    /// Whether it is somewhere in the text of a stream.
    pub fn is_in(&self, text: &str) -> bool {
        match self {
            Expected::Named(name) => text.contains(name),
            Expected::Packet(packet) => text.contains(packet),
        }
    }

    pub fn is(&self, packet: &str) -> bool {
        match self {
            Expected::Named(name) => {
                let rest = packet.strip_prefix("44/").or_else(|| packet.strip_prefix("40/"));
                rest.and_then(|rest| rest.strip_prefix(name.as_str()))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
            }
            Expected::Packet(expected) => packet == expected,
        }
    }
}

/// Letters that compress badly, the same for the same number.
fn noise(number: u32) -> impl Iterator<Item = char> {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    let mut state = u64::from(number) + 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        LETTERS[(state >> 58) as usize] as char
    })
}

/// The name of a transport in URLs of Engine.IO.
fn wire(transport: Transport) -> &'static str {
    if transport.is_poll() { "polling" } else { transport.name() }
}

/// Keeps caches out of the way.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    format!("d{process}.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn read_open(text: &str) -> Option<Handshake> {
    let json: Value = serde_json::from_str(text.strip_prefix('0')?).ok()?;
    let time = |key: &str| {
        let millis = json.get(key).and_then(Value::as_u64).unwrap_or_default();
        Duration::from_millis(millis).min(LONGEST)
    };
    Some(Handshake {
        sid: json.get("sid")?.as_str()?.to_owned(),
        ping_interval: time("pingInterval"),
        ping_timeout: time("pingTimeout"),
    })
}

fn read_fields(text: &str) -> Option<Handshake> {
    let fields: Vec<&str> = text.split(':').collect();
    let [sid, heartbeat, close, _offered] = fields[..] else { return None };
    let time =
        |text: &str| Duration::from_secs(text.parse::<u64>().ok().unwrap_or_default()).min(LONGEST);
    Some(Handshake {
        sid: sid.to_owned(),
        ping_interval: time(heartbeat),
        ping_timeout: time(close),
    })
}

/// Packets that have their length before them, in UTF-16 units.
fn counted(
    body: &str,
    split: impl Fn(&str) -> Option<(&str, &str)>,
) -> Result<Vec<String>, Failure> {
    let mut packets = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (length, tail) = split(rest)
            .and_then(|(length, tail)| Some((length.parse::<usize>().ok()?, tail)))
            .ok_or_else(|| Failure::garbled("the lengths in the answer are wrong"))?;
        let mut units = 0;
        let end = tail.char_indices().find(|(_, char)| {
            let full = units >= length;
            units += char.len_utf16();
            full
        });
        let (packet, after) = tail.split_at(end.map_or(tail.len(), |(at, _)| at));
        packets.push(packet.to_owned());
        rest = after;
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_read_as_they_are_written() {
        let packets = ["40/a,".to_owned(), "2".to_owned(), "4hey".to_owned()];
        for generation in Generation::ALL {
            let body = generation.payload(&packets);
            assert_eq!(generation.packets(&body).unwrap(), packets, "{}", generation.name());
        }
        assert_eq!(Generation::Eio3.packets("3:4€é1:2").unwrap(), ["4€é", "2"]);
        assert_eq!(Generation::V09.packets("1::").unwrap(), ["1::"]);
        for wrong in ["x:4", ":", "4"] {
            assert!(Generation::Eio3.packets(wrong).is_err(), "{wrong}");
        }
        let script = r#"___eio[0]("0{\"sid\":\"a\"}");"#;
        assert_eq!(Generation::Eio4.script(script).unwrap(), r#"0{"sid":"a"}"#);
        assert_eq!(Generation::V09.script("io.j[0](\"a:1:2:b\");").unwrap(), "a:1:2:b");
        assert!(Generation::Eio4.script("<html>").is_err());
        assert_eq!(Generation::V09.form("0::"), b"d=%220%3A%3A%22");
    }

    #[test]
    fn handshakes_are_read() {
        let open =
            r#"0{"sid":"ab","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;
        let read = Generation::Eio4.handshake(open).unwrap();
        assert_eq!((read.sid.as_str(), read.ping_interval.as_secs()), ("ab", 25));
        let read = Generation::V09.handshake("ab:60:45:websocket,xhr-polling").unwrap();
        assert_eq!((read.sid.as_str(), read.ping_timeout.as_secs()), ("ab", 45));
        for wrong in ["", "0", "0{}", "<html>", r#"0{"sid":""}"#, r#"0{"sid":"a b"}"#] {
            assert!(Generation::Eio4.handshake(wrong).is_err(), "{wrong}");
        }
        assert!(Generation::V09.handshake("Welcome to socket.io.").is_err());
    }

    #[test]
    fn only_the_answer_to_a_question_is_taken_for_it() {
        let question = Generation::Eio4.question(7, 20);
        let name = question.packet.trim_start_matches("40/").trim_end_matches(',').to_owned();
        for (packet, is) in [
            (format!("44/{name},{{\"message\":\"Invalid namespace\"}}"), true),
            (format!("40/{name},{{\"sid\":\"x\"}}"), true),
            (format!("44/{name}"), true),
            (format!("44/{name}x,"), false),
            (format!("44/{},", &name[..name.len() - 1]), false),
            ("2".to_owned(), false),
        ] {
            assert_eq!(question.answer.is(&packet), is, "{packet}");
        }
    }
}
