//! What each page says and hears.

use super::*;

#[test]
fn words_are_exact() {
    use ChatProtocol as Protocol;
    let parse = Protocol::parse;
    assert_eq!(parse("typing", vec![]), Some((Protocol::Users, Command::Typing)));
    assert_eq!(parse("Typing", vec![]), None);
    assert_eq!(parse("message", vec![]), None);
    assert_eq!(
        parse("nickname", vec![json!("bob")]),
        Some((Protocol::Nicknames, Command::Join(json!("bob"), JoinOptions::default())))
    );
    let join = |options: Value| match parse("add user", vec![json!("ann"), options]).unwrap() {
        (Protocol::Users, Command::Join(name, options)) if name == "ann" => options,
        other => panic!("{other:?}"),
    };
    let token = |text: &str| Some(text.to_owned());
    let page = join(json!({ "page": 1, "token": "t" }));
    assert_eq!(page, JoinOptions { page: true, token: token("t"), ..JoinOptions::default() });
    assert!(join(json!({ "resume": true })).resume && !join(json!({ "resume": 1 })).resume);
    assert_eq!(join(json!({ "page": 0, "token": 7 })), JoinOptions::default());
    for none in [json!(null), json!("page"), json!([1]), json!({ "page": "1" })] {
        assert_eq!(join(none), JoinOptions::default());
    }
    let long = "x".repeat(MAX_TOKEN);
    assert_eq!(join(json!({ "token": long })).token, token(&long));
    assert_eq!(join(json!({ "token": long + "x" })).token, None);
    let message =
        |id: Value| parse("new message", vec![json!("hi"), json!({ "id": id })]).unwrap().1;
    let long = "x".repeat(MAX_ID);
    for (id, read) in [
        (json!("a1"), Ok(Some("a1".to_owned()))),
        (json!(long), Ok(Some(long.clone()))),
        (json!(null), Ok(None)),
        (json!(long + "x"), Err(BadId)),
        (json!(7), Err(BadId)),
    ] {
        assert_eq!(message(id), Command::Message { text: json!("hi"), id: read });
    }
}

#[test]
fn what_takes_the_place_of_what() {
    let names = RandomState::new();
    let [ann, bob] = ["ann", "bob"].map(|name| Name::new(name).unwrap());
    let crowd: Vec<_> = (0..100).map(|n| Name::new(&n.to_string()).unwrap()).collect();
    let joined = |name, users| Notice::Joined { name, users }.delivery(&names);
    let left = |name, users| Notice::Left { name, users }.delivery(&names);
    assert_eq!(joined(&ann, 1), joined(&ann, 7));
    assert_eq!(left(&ann, 1), left(&ann, 7));
    let different =
        [joined(&ann, 1), left(&ann, 1), joined(&bob, 1), left(&bob, 1), NICKNAMES, CLUSTER];
    for (n, one) in different.iter().enumerate() {
        assert!(matches!(one, Delivery::Conflated(_)));
        assert!(different[n + 1..].iter().all(|other| other != one), "{different:?}");
    }
    for name in &crowd {
        assert!(joined(name, 1) != left(name, 1) && joined(name, 1) != joined(&ann, 1));
    }
    let message = Notice::Message {
        name: Some(&ann),
        text: "",
        role: None,
        author: None,
        late: None,
        place: None,
        mark: None,
    };
    assert_eq!(message.delivery(&names), Delivery::Reliable);
    for notice in [Notice::Typing { name: &ann }, Notice::StopTyping { name: &ann }] {
        assert_eq!(notice.delivery(&names), Delivery::Volatile);
    }
}

#[test]
fn everybody_hears_in_their_own_words() {
    let name = Name::new("bob").unwrap();
    let message = Notice::Message {
        name: Some(&name),
        text: "hi <b>",
        role: None,
        author: None,
        late: None,
        place: None,
        mark: None,
    };
    let rendered =
        |chat_protocol: ChatProtocol, notice: &Notice<'_>| chat_protocol.render(notice).unwrap();
    assert_eq!(
        rendered(ChatProtocol::Users, &message),
        ("new message", vec![json!({"username":"bob","message":"hi <b>"})])
    );
    assert_eq!(
        rendered(ChatProtocol::Nicknames, &message),
        ("user message", vec![json!("bob"), json!("hi &lt;b&gt;")])
    );
    assert_eq!(
        rendered(ChatProtocol::Bare, &message),
        ("chat message", vec![json!("bob: hi <b>")])
    );
    let late = Notice::Message {
        name: Some(&name),
        text: "hi",
        role: None,
        author: None,
        late: Some(7),
        place: None,
        mark: None,
    };
    assert_eq!(
        rendered(ChatProtocol::Users, &late),
        ("new message", vec![json!({"username":"bob","message":"hi","late":7})])
    );
    assert_eq!(rendered(ChatProtocol::Bare, &late), ("chat message", vec![json!("bob: hi")]));
    let nameless = Notice::Message {
        name: None,
        text: "x",
        author: None,
        role: None,
        late: None,
        place: None,
        mark: None,
    };
    assert_eq!(
        rendered(ChatProtocol::Users, &nameless),
        ("new message", vec![json!({"username":"(no name)","message":"x"})])
    );
    assert_eq!(
        rendered(ChatProtocol::Nicknames, &nameless),
        ("user message", vec![json!("(no name)"), json!("x")])
    );
    assert_eq!(
        rendered(ChatProtocol::Page, &nameless),
        ("new message", vec![json!({"message":"x"})])
    );
    assert_eq!(rendered(ChatProtocol::Bare, &nameless), ("chat message", vec![json!("x")]));
    assert!(ChatProtocol::Bare.render(&Notice::Typing { name: &name }).is_none());
    let left = Notice::Left { name: &name, users: 1 };
    assert_eq!(
        rendered(ChatProtocol::Users, &left),
        ("user left", vec![json!({"username":"bob","numUsers":1})])
    );
    assert_eq!(
        rendered(ChatProtocol::Nicknames, &left),
        ("announcement", vec![json!("bob disconnected")])
    );
}
