//! Floods of what the rates allow: honest readers outlive them, and hear all of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parlance::chat::ChatSettings;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::client::{Client, Via};
use crate::support::packets::{Eio, Packet};
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::v09::Session09;
use crate::support::ws::{Frame, Ws};

/// What a slow connection has between two polls.
const PAUSE: Duration = Duration::from_millis(300);
/// The message after which nobody says anything.
const END: &str = "the end";

/// The rates that a server has by itself.
fn rates() -> ChatSettings {
    ChatSettings { message_rate: 50, byte_rate: 64 * 1024, ..chat_settings() }
}

/// What may have been accepted since that moment, where that much is allowed at once, and in a second.
fn at_most(at_once: usize, rate: usize, since: Instant) -> usize {
    at_once + rate * (since.elapsed().as_secs() as usize + 1)
}

#[derive(Debug, Clone, Copy)]
enum Flood {
    /// Messages of so many people, each so many of so many bytes, all at once.
    Messages { people: usize, count: usize, bytes: usize },
    /// Of characters that are several times as long on their way.
    Escapes { people: usize, text: &'static str },
    /// One person comes and goes, always under the same name, or under many.
    Doors { names: usize },
    /// One person leaves and comes back after every eighth message.
    Rejoin,
}

const FLOODS: [Flood; 8] = [
    Flood::Messages { people: 2, count: 10, bytes: 64_000 },
    Flood::Messages { people: 9, count: 499, bytes: 20 },
    // As much as an address may send.
    Flood::Messages { people: 8, count: 4, bytes: 64_000 },
    Flood::Escapes { people: 2, text: "&" },
    Flood::Escapes { people: 2, text: "\u{1}" },
    Flood::Doors { names: 1 },
    Flood::Doors { names: 2000 },
    Flood::Rejoin,
];

/// What a reader heard until the end.
#[derive(Debug, Default)]
struct Heard {
    texts: Vec<String>,
    /// The last count of people that it was told.
    users: Option<u64>,
    /// The last list of nicknames.
    nicknames: Option<Value>,
}

impl Heard {
    /// Takes an event; true if it was the last message.
    fn note(&mut self, event: &str, args: &[Value]) -> bool {
        let text = match event {
            "new message" => &args[0]["message"],
            "user message" => &args[1],
            "nicknames" => {
                self.nicknames = Some(args[0].clone());
                return false;
            }
            _ => {
                self.users = args.first().and_then(|arg| arg["numUsers"].as_u64()).or(self.users);
                return false;
            }
        };
        let text = text.as_str().expect("a text");
        // The page of 0.9 gets markup.
        self.texts.push(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
        text == END
    }
}

/// Splits a packet into the event and its arguments, if it is one.
fn event(packet: &str) -> Option<(String, Vec<Value>)> {
    if let Some(event) = packet.strip_prefix("5:::") {
        let event: Value = serde_json::from_str(event).expect("an event");
        let args = event["args"].as_array().cloned().unwrap_or_default();
        return Some((event["name"].as_str().expect("a name").to_owned(), args));
    }
    let mut event: Vec<Value> = serde_json::from_str(packet.strip_prefix("42")?).expect("an event");
    let name = event.remove(0).as_str().expect("a name").to_owned();
    Some((name, event))
}

/// Reads a WebSocket until the last message; heartbeats are answered.
async fn listen(mut ws: Ws) -> (Ws, Heard) {
    let mut heard = Heard::default();
    loop {
        let packet = ws.text().await;
        match packet.as_str() {
            "2" => ws.send("3").await,
            "2::" => ws.send("2::").await,
            _ => {
                if event(&packet).is_some_and(|(event, args)| heard.note(&event, &args)) {
                    return (ws, heard);
                }
            }
        }
    }
}

/// Polls now and then until the last message; heartbeats are answered.
async fn poll(mut client: Client) -> (Client, Heard) {
    let mut heard = Heard::default();
    loop {
        for packet in client.polls().poll().await {
            let Packet::Text(packet) = packet else { panic!("only text is sent here") };
            if packet == "2" {
                client.polls().say("3").await;
            }
            if event(&packet).is_some_and(|(event, args)| heard.note(&event, &args)) {
                return (client, heard);
            }
        }
        // The pause is what makes this reader a slow one.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Polls now and then until the last message, as 0.9 does it.
async fn poll_09(session: Session09) -> (Session09, Heard) {
    let mut heard = Heard::default();
    loop {
        let body = session.poll().await;
        // One packet, or several with their lengths.
        let framed =
            body.strip_prefix('\u{fffd}').map(|body| body.split('\u{fffd}').skip(1).step_by(2));
        let packets: Vec<_> = framed.map_or_else(|| vec![body.as_str()], Iterator::collect);
        for packet in packets {
            if event(packet).is_some_and(|(event, args)| heard.note(&event, &args)) {
                return (session, heard);
            }
        }
        // As above.
        tokio::time::sleep(PAUSE).await;
    }
}

/// The people that a flood must not harm.
struct Audience {
    poller: JoinHandle<(Client, Heard)>,
    old_poller: JoinHandle<(Session09, Heard)>,
    sockets: Vec<JoinHandle<(Ws, Heard)>>,
}

impl Audience {
    async fn new(server: &TestServer) -> Self {
        let mut poller = Client::join(server, Eio::V4, Via::Polling).await;
        poller.emit_with_ack(1, json!(["add user", "poller"])).await;
        poller.event().await;
        poller.ack(1).await;
        let mut socket = Client::join(server, Eio::V4, Via::WebSocket).await;
        socket.emit_with_ack(1, json!(["add user", "socket"])).await;
        socket.event().await;
        socket.ack(1).await;
        let mut old = Session09::open(server).await.websocket().await;
        old.send(r#"5:1+::{"name":"nickname","args":["old"]}"#).await;
        assert_eq!(old.text().await, "6:::1+[false]");
        let old_poller = Session09::polling(server).await;
        old_poller.say(r#"5:1+::{"name":"nickname","args":["older"]}"#).await;
        Audience {
            poller: tokio::spawn(poll(poller)),
            old_poller: tokio::spawn(poll_09(old_poller)),
            sockets: [socket.into_ws(), old].map(|ws| tokio::spawn(listen(ws))).into(),
        }
    }

    /// What each has heard, after the last message; all are still connected.
    async fn heard(self, server: &TestServer) -> Vec<Heard> {
        let mut all = Vec::new();
        let (poller, heard) = self.poller.await.expect("it hears it all");
        assert!(server.engine.session(&poller.sid).is_some_and(|session| session.is_open()));
        all.push(heard);
        let (poller, heard) = self.old_poller.await.expect("it hears it all");
        assert!(server.engine.session(&poller.sid).is_some_and(|session| session.is_open()));
        all.push(heard);
        for socket in self.sockets {
            let (mut ws, heard) = socket.await.expect("it hears it all");
            ws.ping(b"still there?").await;
            while !matches!(ws.next().await, Frame::Pong(_)) {}
            all.push(heard);
        }
        all
    }
}

/// The answers that a client is given, by id, until that of `last`.
async fn answers(client: &mut Client, last: u32) -> HashMap<u32, Value> {
    let mut answers = HashMap::new();
    while !answers.contains_key(&last) {
        let packet = client.text().await;
        if packet == "2" {
            client.send("3").await;
        } else if let Some(answer) = packet.strip_prefix("43") {
            let (id, args) = answer.split_at(answer.find('[').expect("arguments"));
            let args: Value = serde_json::from_str(args).expect("an answer");
            answers.insert(id.parse().expect("an id"), args[0].clone());
        }
    }
    answers
}

/// Sends texts as fast as it can; returns those that were accepted.
async fn shout(mut client: Client, texts: Vec<String>) -> (Client, Vec<String>) {
    for (id, text) in texts.iter().enumerate() {
        client.emit_with_ack(id as u32, json!(["new message", text])).await;
    }
    let answers = answers(&mut client, texts.len() as u32 - 1).await;
    let said = texts.into_iter().enumerate().filter(|(id, _)| answers[&(*id as u32)]["ok"] == true);
    (client, said.map(|(_, text)| text).collect())
}

/// Somebody with a name.
async fn person(server: &TestServer, name: &str) -> Client {
    let mut client = Client::join(server, Eio::V4, Via::WebSocket).await;
    client.emit_with_ack(0, json!(["add user", name])).await;
    assert_eq!(answers(&mut client, 0).await[&0]["ok"], true);
    client
}

/// The answer to a question.
async fn question(client: &mut Client, word: &str) -> Value {
    client.emit_with_ack(0, json!([word])).await;
    answers(client, 0).await.remove(&0).expect("an answer")
}

/// Says something until it is accepted.
async fn insist(client: &mut Client, text: &str) {
    loop {
        client.emit_with_ack(0, json!(["new message", text])).await;
        let answer = answers(client, 0).await.remove(&0).expect("an answer");
        if answer["ok"] == true {
            return;
        }
        assert_eq!(answer["reason"], "rate");
        // As long as it is told to, or less.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Lets a flood loose; returns what was accepted of it, by sender.
async fn flood(server: &TestServer, kind: Flood) -> Vec<Vec<String>> {
    let texts = |person: usize| -> Vec<String> {
        match kind {
            Flood::Messages { count, bytes, .. } => {
                (0..count).map(|n| format!("{:<bytes$}", format!("{person} {n}"))).collect()
            }
            Flood::Escapes { text, .. } => {
                (0..4).map(|n| format!("{person} {n} {}", text.repeat(60_000))).collect()
            }
            _ => Vec::new(),
        }
    };
    match kind {
        Flood::Messages { people, .. } | Flood::Escapes { people, .. } => {
            let mut crowd = Vec::new();
            for n in 0..people {
                crowd.push(person(server, &format!("person {n}")).await);
            }
            let everybody = server.engine.sessions();
            assert_eq!(everybody.len(), 4 + people);
            let (start, mut shouting, mut said) = (Instant::now(), Vec::new(), Vec::new());
            for (n, client) in crowd.into_iter().enumerate() {
                shouting.push(tokio::spawn(shout(client, texts(n))));
            }
            let mut clients = Vec::new();
            for one in shouting {
                let (client, accepted) = one.await.expect("all is answered");
                let bytes: usize = accepted.iter().map(String::len).sum();
                assert!(accepted.len() <= at_most(100, 50, start), "{kind:?}");
                assert!(bytes <= at_most(128 * 1024, 64 * 1024, start), "{kind:?}: {bytes}");
                said.push(accepted);
                clients.push(client);
            }
            for session in everybody {
                assert_eq!(session.close_reason(), None, "{kind:?}: on {}", session.transport());
            }
            assert!(said.iter().any(|texts| !texts.is_empty()), "{kind:?}: nothing was accepted");
            said
        }
        Flood::Doors { names } => {
            let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
            let (start, mut joined) = (Instant::now(), 0);
            for round in 0..2000 {
                client.send("40").await;
                client.emit_with_ack(0, json!(["add user", format!("n{}", round % names)])).await;
                let answer = answers(&mut client, 0).await.remove(&0).expect("an answer");
                match answer["ok"] == true {
                    true => joined += 1,
                    false => assert_eq!(answer["reason"], "rate"),
                }
                client.send("41").await;
            }
            assert!((100..=at_most(100, 50, start)).contains(&joined), "{joined} logins");
            Vec::new()
        }
        Flood::Rejoin => {
            let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
            let (start, mut said) = (Instant::now(), Vec::new());
            for round in 0..600 {
                client.send("40").await;
                client.emit_with_ack(0, json!(["add user", "mallory"])).await;
                for n in 1..=8 {
                    let text = json!(["new message", format!("{round} {n}")]);
                    client.emit_with_ack(n, text).await;
                }
                let answers = answers(&mut client, 8).await;
                let accepted = (1..=8).filter(|n| answers[n]["ok"] == true);
                said.extend(accepted.map(|n| format!("{round} {n}")));
                client.send("41").await;
            }
            let accepted = said.len();
            assert!((100..=at_most(100, 50, start)).contains(&accepted), "{accepted} messages");
            vec![said]
        }
    }
}

#[tokio::test]
async fn honest_readers_outlive_floods_and_hear_all_that_was_accepted() {
    for kind in FLOODS {
        let server = Setup::default().start_chat(rates()).await;
        let audience = Audience::new(&server).await;
        let said = flood(&server, kind).await;
        let mut last = person(&server, "last").await;
        // Whoever was noisy has left, and everybody was told so.
        while question(&mut last, "who").await["numUsers"] != 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        insist(&mut last, END).await;
        for heard in audience.heard(&server).await {
            let (end, texts) = heard.texts.split_last().expect("the end at least");
            assert_eq!(end, END);
            assert_eq!(texts.len(), said.iter().map(Vec::len).sum::<usize>(), "{kind:?}");
            for (n, said) in said.iter().enumerate() {
                let heard: Vec<_> = texts.iter().filter(|text| said.contains(text)).collect();
                assert!(heard.iter().copied().eq(said), "{kind:?}: person {n}");
            }
            let present = ["last", "old", "older", "poller", "socket"];
            if let Some(users) = heard.users {
                assert_eq!(users, present.len() as u64, "{kind:?}: whatever was left out");
            }
            if let Some(list) = heard.nicknames {
                let mut names: Vec<_> = list.as_object().unwrap().keys().cloned().collect();
                names.sort();
                assert_eq!(names, present, "{kind:?}");
            }
        }
    }
}

/// New sessions are new people, but of the same address.
#[tokio::test]
async fn new_sessions_share_what_their_address_may_say() {
    let server = Setup::default().start_chat(rates()).await;
    let start = Instant::now();
    let mut accepted = 0;
    for n in 0..30 {
        let client = person(&server, &format!("visitor {n}")).await;
        let texts = (0..120).map(|n| n.to_string()).collect();
        let (mut client, said) = shout(client, texts).await;
        assert!(n >= 9 || said.len() >= 100, "{} of visitor {n}", said.len());
        accepted += said.len();
        client.send("1").await;
    }
    assert!((1000..=at_most(1000, 500, start)).contains(&accepted), "{accepted} messages");
}
