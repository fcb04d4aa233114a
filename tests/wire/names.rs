//! Names of people: nobody passes for somebody else, and who comes back is who they were.

use std::time::Duration;

use parlance::chat::{ChatSettings, ResumeKey};
use serde_json::{Value, json};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::{soon, until};

/// As the server has it if nobody says otherwise, but for the wait for who is away.
fn settings() -> ChatSettings {
    let reserved_names = ["admin", "server", "관리자"].map(str::to_owned).to_vec();
    ChatSettings { duplicate_names: false, reserved_names, ..chat_settings() }
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

async fn server(settings: ChatSettings) -> TestServer {
    Setup::default().start_chat(settings).await
}

async fn visitor(server: &TestServer) -> Client {
    let mut client = Client::join(server, Eio::V4, Via::WebSocket).await;
    client.assert_quiet().await;
    client
}

/// Logs in with an acknowledgement, and returns that.
async fn login(client: &mut Client, name: &str, options: Value) -> Value {
    client.emit_with_ack(1, json!(["add user", name, options])).await;
    client.answer(1).await[0].clone()
}

/// Reads events until there is one of that name.
async fn until_event(client: &mut Client, name: &str) -> Value {
    let wait = async {
        loop {
            let event = client.event().await;
            if event[0] == *name {
                return event;
            }
        }
    };
    soon(name, wait).await
}

async fn who(client: &mut Client) -> (u64, Vec<String>) {
    client.emit_with_ack(77, json!(["who"])).await;
    let answer = client.answer(77).await;
    let people = answer[0]["people"].as_array().unwrap().iter();
    let mut people: Vec<_> = people.map(|name| name.as_str().unwrap().to_owned()).collect();
    people.sort();
    (answer[0]["numUsers"].as_u64().unwrap(), people)
}

/// All that the room does is in one order: what it has told by now is all of it.
async fn assert_told_nothing(client: &mut Client) {
    client.emit_with_ack(9999, json!(["latency"])).await;
    assert_eq!(client.ack(9999).await, json!([]));
}

#[tokio::test]
async fn a_name_that_looks_like_another_is_taken() {
    let server = server(settings()).await;
    let mut ann = visitor(&server).await;
    assert_eq!(login(&mut ann, "Ann", json!(null)).await["ok"], true);
    let mut other = visitor(&server).await;
    for trick in ["Ann", "ANN", "Аnn", "A\u{200b}nn", "𝐀nn", "Ann.", "A nn", "🅰🅽🅽"] {
        let answer = login(&mut other, trick, json!({ "page": 1 })).await;
        assert_eq!((&answer["ok"], &answer["reason"]), (&json!(false), &json!("taken")), "{trick}");
        other.emit_with_ack(2, json!(["nickname", trick])).await;
        assert_eq!(other.ack(2).await, json!([true]), "{trick}: to that page, true means taken");
    }
    let mut all = Vec::new();
    for honest in ["Anna", "Dan"] {
        let mut client = visitor(&server).await;
        assert_eq!(login(&mut client, honest, json!(null)).await["ok"], true);
        until_event(&mut ann, "user joined").await;
        all.push(client);
    }
    assert_told_nothing(&mut ann).await;
}

#[tokio::test]
async fn a_page_that_knows_no_refusal_gets_a_number() {
    let server = server(settings()).await;
    let mut ann = visitor(&server).await;
    ann.emit(json!(["add user", "Ann"])).await;
    assert_eq!(ann.event().await, json!(["login", { "numUsers": 1 }]));
    let mut all = Vec::new();
    for (number, given) in [(2, "Ann"), (3, "ann"), (4, "Аnn")] {
        let mut stock = visitor(&server).await;
        stock.emit(json!(["add user", given])).await;
        let user = json!({ "username": format!("{given} ({number})"), "numUsers": number });
        assert_eq!(stock.event().await, json!(["login", user]));
        // The page shows it, as it shows who joins.
        assert_eq!(stock.event().await, json!(["user joined", user]));
        assert_eq!(ann.event().await, json!(["user joined", user]));
        all.push(stock);
    }
    // A number that is free again is given again.
    all.remove(1).kill();
    assert_eq!(ann.event().await[1]["username"], "ann (3)");
    let mut stock = visitor(&server).await;
    stock.emit(json!(["add user", "Ann"])).await;
    assert_eq!(stock.event().await[1]["username"], "Ann (3)");
    // Its messages are said with it.
    all[0].emit(json!(["new message", "hi"])).await;
    let said = until_event(&mut ann, "new message").await;
    assert_eq!(said[1]["username"], "Ann (2)");
}

#[tokio::test]
async fn with_duplicate_names_people_are_called_as_they_like() {
    let server = server(ChatSettings { duplicate_names: true, ..settings() }).await;
    let mut all = Vec::new();
    for users in 1..=3 {
        let mut client = visitor(&server).await;
        client.emit(json!(["add user", "Ann"])).await;
        assert_eq!(client.event().await, json!(["login", { "numUsers": users }]));
        all.push(client);
    }
    all[0].emit_with_ack(1, json!(["latency"])).await;
    let mut nick = visitor(&server).await;
    nick.emit_with_ack(2, json!(["nickname", "ann"])).await;
    assert_eq!(nick.ack(2).await, json!([true]), "but for pages that know that names are taken");
}

#[tokio::test]
async fn nobody_is_called_as_the_server_is() {
    for duplicate_names in [true, false] {
        let server = server(ChatSettings { duplicate_names, ..settings() }).await;
        let mut client = visitor(&server).await;
        for name in
            ["admin", "Adm1n", "S E R V E R", "관 리 자", "parlance", "(no name)", "No Name"]
        {
            let answer = login(&mut client, name, json!({ "page": 1 })).await;
            assert_eq!(
                (&answer["ok"], &answer["reason"]),
                (&json!(false), &json!("reserved")),
                "{name}"
            );
            let why = format!("{name} is reserved: choose another name");
            assert_eq!(answer["message"], why);
            // Pages without words for it are told in those that they have.
            client.emit(json!(["add user", name])).await;
            let said = json!(["new message", { "username": "parlance", "message": why }]);
            assert_eq!(client.event().await, said);
            assert_eq!(client.event().await[1]["reason"], "reserved");
            // Who waits for an answer has it there.
            client.emit_with_ack(3, json!(["add user", name])).await;
            assert_eq!(client.event().await[0], "login error");
            assert_eq!(client.ack(3).await[0]["reason"], "reserved");
            client.emit_with_ack(2, json!(["nickname", name])).await;
            assert_eq!(client.event().await, json!(["announcement", why]));
            assert_eq!(client.ack(2).await, json!([true]));
        }
        assert_eq!(who(&mut client).await, (0, vec![]));
        assert_eq!(login(&mut client, "Adam", json!(null)).await["ok"], true);
    }
}

#[tokio::test]
async fn who_has_no_name_does_not_look_like_anybody() {
    let server = server(settings()).await;
    let (mut ann, mut tutorial) = (visitor(&server).await, visitor(&server).await);
    login(&mut ann, "alice", json!(null)).await;
    tutorial.event().await;
    let mut stranger = visitor(&server).await;
    for (text, shown) in [
        ("hello", "hello"),
        ("alice: I quit", "(no name): alice: I quit"),
        ("alice： I quit", "(no name): alice： I quit"),
        ("alice left", "(no name): alice left"),
        ("bob Joined", "(no name): bob Joined"),
        ("I have left it there", "I have left it there"),
        ("(no name) hi", "(no name) hi"),
    ] {
        tutorial.emit(json!(["chat message", text])).await;
        assert_eq!(
            tutorial.event().await,
            json!(["chat message", shown]),
            "it shows what comes back"
        );
        let nameless = json!({ "username": "(no name)", "message": text });
        assert_eq!(ann.event().await, json!(["new message", nameless]));
        stranger.emit(json!(["chat message", text])).await;
        stranger.event().await;
        assert_eq!(tutorial.event().await, json!(["chat message", shown]));
        ann.event().await;
        if text == "hello" {
            continue;
        }
        ann.emit(json!(["new message", text])).await;
        let named = json!(["chat message", format!("alice: {text}")]);
        assert_eq!(tutorial.event().await, named);
        until_event(&mut stranger, "chat message").await;
    }
    for name in ["alice: I", "alice :\u{a0}x"] {
        assert_eq!(login(&mut visitor(&server).await, name, json!(null)).await["reason"], "name");
    }
}

#[tokio::test]
async fn who_comes_back_with_a_token_has_the_name_at_once() {
    let server = server(settings()).await;
    let mut witness = visitor(&server).await;
    login(&mut witness, "witness", json!(null)).await;
    let mut ann = visitor(&server).await;
    let first = login(&mut ann, "Ann", json!({ "page": 1 })).await;
    let token = first["token"].as_str().unwrap().to_owned();
    assert_eq!((&first["username"], &first["numUsers"]), (&json!("Ann"), &json!(2)));
    assert_eq!(witness.event().await[0], "user joined");
    // The connection is still there: dead, or another tab. Without the token it is somebody else.
    let mut other = visitor(&server).await;
    for options in [json!({ "page": 1 }), json!({ "page": 1, "token": format!("{token}A") })] {
        assert_eq!(login(&mut other, "Ann", options).await["reason"], "taken");
    }
    let mut back = visitor(&server).await;
    let second = login(&mut back, "Ann", json!({ "page": 1, "token": token })).await;
    assert_eq!((&second["ok"], &second["numUsers"]), (&json!(true), &json!(2)));
    assert_eq!(who(&mut other).await, (2, vec!["Ann".into(), "witness".into()]));
    // To all others it is one person, who speaks on both, and leaves with the last.
    for client in [&mut ann, &mut back] {
        client.emit(json!(["new message", "it is me"])).await;
        assert_eq!(witness.event().await[1], json!({ "username": "Ann", "message": "it is me" }));
    }
    ann.kill();
    until("it is gone", || server.engine.session_count() == 3).await;
    assert_told_nothing(&mut witness).await;
    assert_eq!(who(&mut other).await.0, 2);
    back.kill();
    assert_eq!(witness.event().await, json!(["user left", { "username": "Ann", "numUsers": 1 }]));
    // A token is for the person, and no name is kept for who is not there.
    assert_eq!(login(&mut other, "Ann", json!({ "page": 1 })).await["ok"], true);
    assert_eq!(witness.event().await[0], "user joined");
    let mut late = visitor(&server).await;
    let answer = login(&mut late, "Ann", json!({ "page": 1, "token": token })).await;
    assert_eq!(answer["reason"], "taken");
    assert_eq!(login(&mut late, "Bea", json!({ "page": 1, "token": token })).await["ok"], true);
}

#[tokio::test]
async fn stock_clients_may_bring_the_token_in_auth_or_query() {
    let server = server(settings()).await;
    let mut ann = visitor(&server).await;
    let answer = login(&mut ann, "Ann", json!({ "resume": true })).await;
    let token = answer["token"].as_str().unwrap();
    let mut by_query =
        Client::open_with(&server, Eio::V3, Via::WebSocket, &format!("&resume={token}")).await;
    by_query.join_default().await;
    by_query.emit(json!(["add user", "Ann"])).await;
    assert_eq!(by_query.event().await, json!(["login", { "numUsers": 1 }]));
    let mut by_auth = Client::open(&server, Eio::V4, Via::WebSocket).await;
    by_auth.send(&format!("40{}", json!({ "resume": token }))).await;
    assert!(by_auth.text().await.starts_with("40{"));
    by_auth.emit(json!(["add user", "Ann"])).await;
    assert_eq!(by_auth.event().await, json!(["login", { "numUsers": 1 }]));
    assert_eq!(who(&mut by_auth).await, (1, vec!["Ann".into()]));
    // Such a page has no word for what is its own.
    by_query.emit(json!(["new message", "hi"])).await;
    let said = json!(["new message", { "username": "Ann", "message": "hi" }]);
    assert_eq!(by_auth.event().await, said);
}

#[tokio::test]
async fn a_token_is_good_wherever_the_key_is() {
    let key = |secret: &str| ChatSettings {
        resume_key: Some(ResumeKey::from_secret(secret.as_bytes())),
        ..settings()
    };
    let [one, same, other] =
        [server(key("a")).await, server(key("a")).await, server(key("b")).await];
    let token = login(&mut visitor(&one).await, "Ann", json!({ "page": 1 })).await["token"].clone();
    for (server, known) in [(&same, true), (&other, false)] {
        let mut first = visitor(server).await;
        let options = json!({ "page": 1, "token": token });
        assert_eq!(login(&mut first, "Ann", options.clone()).await["ok"], true);
        let again = login(&mut visitor(server).await, "Ann", options).await;
        assert_eq!(again["ok"], known, "{again}");
    }
}

#[tokio::test]
async fn nobody_hears_of_a_connection_that_comes_back() {
    let server = server(ChatSettings { leave_delay: LONG, ..settings() }).await;
    let mut witness = visitor(&server).await;
    login(&mut witness, "witness", json!(null)).await;
    let alone = server.engine.task_count();
    // A stock page, by name and address; and a person with a token.
    let mut token = json!(null);
    for (name, options) in [("stock", json!(null)), ("Ann", json!({ "page": 1 }))] {
        let mut client = visitor(&server).await;
        let answer = login(&mut client, name, options).await;
        token = answer["token"].clone();
        assert_eq!(witness.event().await[0], "user joined");
        client.kill();
    }
    until("both are gone", || server.engine.session_count() == 1).await;
    until("each was told so", || server.engine.task_count() == alone).await;
    let both = (3, ["Ann", "stock", "witness"].map(str::to_owned).to_vec());
    assert_eq!(who(&mut witness).await, both, "they count as there");
    let mut other = visitor(&server).await;
    assert_eq!(login(&mut other, "Ann", json!({ "page": 1 })).await["reason"], "taken");
    let mut stock = visitor(&server).await;
    stock.emit(json!(["add user", "stock"])).await;
    assert_eq!(stock.event().await, json!(["login", { "numUsers": 3 }]));
    let mut ann = visitor(&server).await;
    let answer = login(&mut ann, "Ann", json!({ "page": 1, "token": token })).await;
    assert_eq!((&answer["ok"], &answer["numUsers"]), (&json!(true), &json!(3)));
    assert_told_nothing(&mut witness).await;
    assert_eq!(who(&mut witness).await, both);
    // Who means to leave is not waited for.
    stock.send("41").await;
    assert_eq!(witness.event().await, json!(["user left", { "username": "stock", "numUsers": 2 }]));
}

#[tokio::test]
async fn who_does_not_come_back_has_left_after_a_while() {
    let leave_delay = Duration::from_millis(50);
    let server = server(ChatSettings { leave_delay, ..settings() }).await;
    let mut witness = visitor(&server).await;
    login(&mut witness, "witness", json!(null)).await;
    let mut ann = visitor(&server).await;
    login(&mut ann, "Ann", json!(null)).await;
    assert_eq!(witness.event().await[0], "user joined");
    let before = std::time::Instant::now();
    ann.kill();
    assert_eq!(witness.event().await, json!(["user left", { "username": "Ann", "numUsers": 1 }]));
    assert!(before.elapsed() >= leave_delay);
    assert_eq!(who(&mut witness).await, (1, vec!["witness".into()]));
}

/// A name without a token is nobody's: it goes to the next who wants it, and that is told.
#[tokio::test]
async fn a_name_is_not_kept_for_who_cannot_show_who_they_are() {
    let server = server(ChatSettings { leave_delay: LONG, ..settings() }).await;
    let mut witness = visitor(&server).await;
    login(&mut witness, "witness", json!(null)).await;
    let alone = server.engine.task_count();
    let mut ann = visitor(&server).await;
    login(&mut ann, "Ann", json!(null)).await;
    assert_eq!(witness.event().await[0], "user joined");
    ann.kill();
    until("she is gone", || server.engine.session_count() == 1).await;
    until("the room was told so", || server.engine.task_count() == alone).await;
    let mut other = visitor(&server).await;
    assert_eq!(login(&mut other, "ANN", json!(null)).await["ok"], true);
    assert_eq!(witness.event().await, json!(["user left", { "username": "Ann", "numUsers": 2 }]));
    assert_eq!(witness.event().await, json!(["user joined", { "username": "ANN", "numUsers": 2 }]));
}

/// A page of ours, and what it was answered.
async fn page(server: &TestServer, name: &str, options: Value) -> (Client, Value) {
    let mut client = visitor(server).await;
    let answer = login(&mut client, name, options).await;
    assert_eq!(answer["ok"], true, "{answer}");
    (client, answer)
}

async fn rename(client: &mut Client, name: Value) -> Value {
    client.emit_with_ack(5, json!(["rename", name])).await;
    client.answer(5).await[0].clone()
}

#[tokio::test]
async fn who_takes_another_name_never_leaves() {
    let server = server(settings()).await;
    let (mut ann, _) = page(&server, "Ann", json!({ "page": 1 })).await;
    let (mut eve, _) = page(&server, "Eve", json!({ "page": 1 })).await;
    let mut stock = visitor(&server).await;
    stock.emit(json!(["add user", "Sam"])).await;
    until_event(&mut stock, "login").await;
    let mut nick = visitor(&server).await;
    nick.emit_with_ack(1, json!(["nickname", "Nick"])).await;
    nick.ack(1).await;
    until_event(&mut nick, "nicknames").await;
    let mut bare = visitor(&server).await;
    bare.emit(json!(["chat message", "hi"])).await;
    until_event(&mut bare, "chat message").await;
    until_event(&mut eve, "new message").await;
    until_event(&mut stock, "new message").await;

    let renamed = rename(&mut ann, json!(" Bea ")).await;
    assert_eq!((&renamed["ok"], &renamed["username"]), (&json!(true), &json!("Bea")));
    assert_eq!(eve.event().await, json!(["user renamed", { "from": "Ann", "to": "Bea" }]));
    assert_eq!(stock.event().await, json!(["user left", { "username": "Ann", "numUsers": 3 }]));
    assert_eq!(stock.event().await, json!(["user joined", { "username": "Bea", "numUsers": 4 }]));
    assert_eq!(until_event(&mut nick, "announcement").await[1], "Ann disconnected");
    assert_eq!(nick.event().await, json!(["announcement", "Bea connected"]));
    let list = until_event(&mut nick, "nicknames").await;
    assert!(list[1]["Bea"] == "Bea" && list[1].get("Ann").is_none(), "{list}");
    assert_eq!(bare.event().await, json!(["chat message", "Ann left"]));
    assert_eq!(bare.event().await, json!(["chat message", "Bea joined"]));
    assert_eq!(who(&mut eve).await, (4, ["Bea", "Eve", "Nick", "Sam"].map(str::to_owned).to_vec()));
    // What is said is said under the name, by the same person.
    ann.emit(json!(["new message", "it is me"])).await;
    assert_eq!(until_event(&mut eve, "new message").await[1]["username"], "Bea");
    // One's own name in other letters is nobody else's; the earlier name is free.
    assert_eq!(rename(&mut ann, json!("BEA")).await["username"], "BEA");
    assert_eq!(until_event(&mut eve, "user renamed").await[1]["to"], "BEA");
    assert_eq!(rename(&mut ann, json!("BEA")).await["ok"], true);
    assert_eq!(rename(&mut eve, json!("Ann")).await["ok"], true);
    assert_told_nothing(&mut eve).await;
    // The token is that of the person under the new name.
    ann.kill();
    let (_, back) = page(&server, "BEA", json!({ "page": 1, "token": renamed["token"] })).await;
    assert_eq!(back["numUsers"], 4);
}

#[tokio::test]
async fn another_name_has_the_rules_of_a_first_one() {
    let server = server(settings()).await;
    let (mut ann, _) = page(&server, "Ann", json!({ "page": 1 })).await;
    let (mut eve, _) = page(&server, "Eve", json!({ "page": 1 })).await;
    until_event(&mut ann, "user joined").await;
    for (name, reason) in [
        (json!("Ann"), "taken"),
        (json!("Аnn"), "taken"),
        (json!("admin"), "reserved"),
        (json!("\u{200b}"), "name"),
        (json!("Eve ✓"), "name"),
        (json!(7), "name"),
        (json!("x".repeat(33)), "name"),
    ] {
        let refused = rename(&mut eve, name.clone()).await;
        assert_eq!((&refused["ok"], &refused["reason"]), (&json!(false), &json!(reason)), "{name}");
    }
    let mut nobody = visitor(&server).await;
    assert_eq!(rename(&mut nobody, json!("Bob")).await["reason"], "not joined");
    assert_eq!(who(&mut eve).await, (2, ["Ann", "Eve"].map(str::to_owned).to_vec()));
    assert_told_nothing(&mut ann).await;
}

#[tokio::test]
async fn another_name_holds_in_all_tabs_of_a_person() {
    let server = server(settings()).await;
    let (mut ann, answer) = page(&server, "Ann", json!({ "page": 1 })).await;
    let same = json!({ "page": 1, "token": answer["token"] });
    let (mut tab, _) = page(&server, "Ann", same).await;
    let (mut eve, _) = page(&server, "Eve", json!({ "page": 1 })).await;
    assert_eq!(rename(&mut ann, json!("Bea")).await["ok"], true);
    let own = until_event(&mut tab, "user renamed").await;
    assert_eq!(
        (&own[1]["own"], &own[1]["from"], &own[1]["to"]),
        (&json!(true), &json!("Ann"), &json!("Bea"))
    );
    assert!(own[1]["token"].is_string());
    assert_eq!(eve.event().await, json!(["user renamed", { "from": "Ann", "to": "Bea" }]));
    assert_eq!(who(&mut eve).await, (2, ["Bea", "Eve"].map(str::to_owned).to_vec()));
    tab.emit(json!(["new message", "from the tab"])).await;
    assert_eq!(until_event(&mut eve, "new message").await[1]["username"], "Bea");
    assert_told_nothing(&mut eve).await;
}

#[tokio::test]
async fn who_has_two_names_and_gives_one_up_has_left_under_that_one() {
    let server = server(settings()).await;
    let (_ann, answer) = page(&server, "Ann", json!({ "page": 1 })).await;
    let (mut eve, _) = page(&server, "Eve", json!({ "page": 1 })).await;
    let same = json!({ "page": 1, "token": answer["token"] });
    let (mut tab, _) = page(&server, "Bea", same).await;
    assert_eq!(eve.event().await, json!(["user joined", { "username": "Bea", "numUsers": 3 }]));
    assert_eq!(rename(&mut tab, json!("Ann")).await["ok"], true);
    // Who has come is there already, and nobody is told.
    assert_eq!(eve.event().await, json!(["user left", { "username": "Bea", "numUsers": 2 }]));
    assert_eq!(who(&mut eve).await, (2, ["Ann", "Eve"].map(str::to_owned).to_vec()));
    assert_told_nothing(&mut eve).await;
}

#[tokio::test]
async fn what_a_person_says_in_one_tab_is_their_own_in_the_others() {
    let server = server(settings()).await;
    let (mut ann, answer) = page(&server, "Ann", json!({ "page": 1 })).await;
    let same = json!({ "page": 1, "token": answer["token"] });
    let (mut tab, _) = page(&server, "Ann", same).await;
    let (mut eve, _) = page(&server, "Eve", json!({ "page": 1 })).await;
    assert_eq!(until_event(&mut ann, "user joined").await[1]["username"], "Eve");
    tab.emit(json!(["typing"])).await;
    tab.emit(json!(["new message", "hi"])).await;
    assert_eq!(eve.event().await, json!(["typing", { "username": "Ann" }]));
    assert_eq!(eve.event().await[1].get("own"), None);
    // Nobody hears of their own typing.
    let own = ann.event().await;
    assert_eq!((&own[0], &own[1]["own"]), (&json!("new message"), &json!(true)));
    eve.emit(json!(["new message", "hello"])).await;
    for client in [&mut ann, &mut tab] {
        assert_eq!(until_event(client, "new message").await[1].get("own"), None);
    }
}

/// Who leaves while they type does not type any more, though nobody hears that they leave.
#[tokio::test]
async fn who_is_away_does_not_type() {
    for (leave_delay, has_tab, told) in [
        (LONG, false, Some("stop typing")),
        (LONG, true, Some("stop typing")),
        (Duration::ZERO, true, Some("stop typing")),
        (Duration::ZERO, false, Some("user left")),
    ] {
        for types in [true, false] {
            let server = server(ChatSettings { leave_delay, ..settings() }).await;
            let (mut eve, _) = page(&server, "Eve", json!({ "page": 1 })).await;
            let (mut ann, answer) = page(&server, "Ann", json!({ "page": 1 })).await;
            let same = json!({ "page": 1, "token": answer["token"] });
            let _tab = if has_tab { Some(page(&server, "Ann", same).await) } else { None };
            assert_eq!(eve.event().await[0], "user joined");
            ann.emit(json!(["typing"])).await;
            assert_eq!(eve.event().await[0], "typing");
            if !types {
                ann.emit(json!(["stop typing"])).await;
                assert_eq!(eve.event().await[0], "stop typing");
            }
            let sessions = server.engine.session_count();
            drop(ann);
            until("it is gone", || server.engine.session_count() < sessions).await;
            match told.filter(|told| types || *told == "user left") {
                Some(told) => assert_eq!(eve.event().await[0], told, "{leave_delay:?} {has_tab}"),
                None => assert_told_nothing(&mut eve).await,
            }
        }
    }
}
