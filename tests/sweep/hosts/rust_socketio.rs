//! rust_socketio. It is told what to do as lib/program.mjs says.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{json, Value};

fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}").and_then(|()| out.flush()).expect("the sweep listens");
}

fn report(key: &Value, event: &str, args: Value) {
    say(&json!({ "key": key, "event": event, "args": args }));
}

fn texts(payload: Payload) -> Value {
    match payload {
        Payload::Text(values) => values.into(),
        _ => json!([]),
    }
}

fn open(key: &Value, spec: &Value) -> Result<Client, rust_socketio::Error> {
    let wire = spec["wire"].as_str().unwrap_or_default();
    let transport = match wire {
        "websocket" => TransportType::Websocket,
        "xhr-polling" => TransportType::Polling,
        _ => TransportType::WebsocketUpgrade,
    };
    let (connected, gone, heard) = (key.clone(), key.clone(), key.clone());
    // With `WebsocketUpgrade` it is not connected before the upgrade is over.
    let upgraded = wire == "upgrade";
    ClientBuilder::new(spec["url"].as_str().unwrap_or_default())
        .transport_type(transport)
        .reconnect(true)
        .reconnect_on_disconnect(true)
        .reconnect_delay(50, 400)
        .on(Event::Connect, move |_, _| {
            report(&connected, "connect", json!([]));
            if upgraded {
                report(&connected, "upgrade", json!(["websocket"]));
            }
        })
        .on(Event::Close, move |_, _| report(&gone, "disconnect", json!([])))
        .on_any(move |event, payload, _| {
            if let Event::Custom(name) = event {
                report(&heard, &name, texts(payload));
            }
        })
        .connect()
}

fn serve(request: &Value, clients: &mut HashMap<String, (String, Client)>) -> Result<Option<Value>, String> {
    let (key, args) = (&request["key"], &request["args"]);
    let fault = |error: rust_socketio::Error| error.to_string();
    if request["method"] == "open" {
        let wire = args[0]["wire"].as_str().unwrap_or_default();
        let wire = if wire == "upgrade" { "websocket" } else { wire };
        clients.insert(key.to_string(), (wire.to_owned(), open(key, &args[0]).map_err(fault)?));
        return Ok(Some(Value::Null));
    }
    let (wire, client) = clients.get(&key.to_string()).ok_or("not open")?;
    match request["method"].as_str().unwrap_or_default() {
        "transport" => return Ok(Some(json!(wire))),
        "disconnect" => client.disconnect().map_err(fault)?,
        "emit" => {
            for each in args[1].as_array().into_iter().flatten() {
                let values = each.as_array().cloned().unwrap_or_default();
                client.emit(args[0].as_str().unwrap_or_default(), Payload::Text(values)).map_err(fault)?;
            }
        }
        _ => {
            let id = request["id"].clone();
            let values = args[1].as_array().cloned().unwrap_or_default();
            // It hands over the list of arguments as one value.
            let answer = move |payload: Payload, _| {
                let value = texts(payload);
                let inner = value[0].is_array().then(|| value[0].clone());
                say(&json!({ "id": id, "value": inner.unwrap_or(value) }));
            };
            let name = args[0].as_str().unwrap_or_default();
            client.emit_with_ack(name, Payload::Text(values), Duration::from_secs(15), answer).map_err(fault)?;
            return Ok(None);
        }
    }
    Ok(Some(Value::Null))
}

fn main() {
    let mut clients = HashMap::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let Ok(request) = serde_json::from_str::<Value>(&line) else { continue };
        match serve(&request, &mut clients) {
            Ok(Some(value)) => say(&json!({ "id": request["id"], "value": value })),
            Ok(None) => {}
            Err(error) => say(&json!({ "id": request["id"], "error": error })),
        }
    }
}
