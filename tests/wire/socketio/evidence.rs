//! The namespace of Parlance's page: what it tells comes back as a verdict, and what it tests as it was.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::process::{Folder, Process, parlance};
use crate::support::ws::Ws;

async fn ask(socket: &mut Ws, id: u8, args: Value) -> Value {
    socket.send(&format!("42/parlance,{id}{args}")).await;
    let answer = socket.text().await;
    let answer = answer.strip_prefix(&format!("43/parlance,{id}")).expect("an acknowledgement");
    serde_json::from_str::<Value>(answer).expect("JSON")[0].clone()
}

#[tokio::test]
async fn the_namespace_judges_and_gives_back() {
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--port", "0"]);
    let mut process = Process::start(command);
    let addr = process.listening();
    let mut socket = Ws::open(addr, "/socket.io/?EIO=4&transport=websocket").await;
    socket.text().await;
    socket.send("40/parlance,").await;
    assert!(socket.text().await.starts_with("40/parlance,{"));
    let named = socket.text().await;
    assert!(named.starts_with(r#"42/parlance,["server",""#), "{named}");

    let facts =
        json!({ "transport": "websocket", "step": "carrying", "code": "cut", "session": "?" });
    let verdict = ask(&mut socket, 0, json!(["evidence", facts])).await;
    assert_eq!((&verdict["cause"], &verdict["certainty"]), (&json!("cut"), &json!("likely")));
    for (event, error) in [
        (json!(["evidence", "facts"]), "evidence is an object of facts"),
        (json!(["evidence"]), "evidence is an object of facts"),
        (json!(["echo", 5]), "at most 65536 bytes of text"),
        (json!(["echo", "x".repeat(65_537)]), "at most 65536 bytes of text"),
        (json!(["other"]), "no such event"),
    ] {
        assert_eq!(ask(&mut socket, 1, event).await, json!({ "error": error }));
    }
    let text = "é".repeat(32 * 1024);
    assert_eq!(ask(&mut socket, 2, json!(["echo", text])).await, json!(text));

    let asked = Instant::now();
    let plan = ask(&mut socket, 3, json!(["pieces"])).await;
    assert_eq!(plan, json!({ "pieces": 4, "pause": 300 }));
    for number in 0..4u32 {
        assert_eq!(socket.text().await, format!(r#"42/parlance,["piece",{number}]"#));
        assert!(asked.elapsed() >= Duration::from_millis(300) * (number + 1), "apart");
    }
    // Both are bounded.
    let mut answers = Vec::new();
    for _ in 0..32 {
        answers.push(ask(&mut socket, 4, json!(["echo", ""])).await);
    }
    assert_eq!(answers[0], json!(""));
    assert_eq!(answers[31], json!({ "error": "too many tests" }));
}
