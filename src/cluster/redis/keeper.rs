//! Which server of a Redis Cluster has a key.
//!
//! A stream is one key. Its reader and its writer talk to the one server that has it, by a connection of their own, as
//! if there were no others: a client that hides the servers sends again by itself what may have arrived.

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value, cmd, from_redis_value};

/// Slots, and the address of the server that has them.
type Range = (u16, u16, (String, u16));

/// The address of the server that has `key`, as the cluster sees it now.
pub async fn keeper(link: &mut ClusterConnection, key: &str) -> RedisResult<(String, u16)> {
    let slot: u16 = from_redis_value(ask(link, cmd("CLUSTER").arg("KEYSLOT").arg(key)).await?)?;
    let ranges = ranges(ask(link, cmd("CLUSTER").arg("SLOTS")).await?);
    let found = ranges.into_iter().find(|(from, to, _)| (*from..=*to).contains(&slot));
    found.map(|(.., address)| address).ok_or_else(nobody)
}

fn nobody() -> RedisError {
    (ErrorKind::Server(redis::ServerErrorKind::ClusterDown), "no server has the key").into()
}

/// Asks any server that is no replica.
async fn ask(link: &mut ClusterConnection, command: &Cmd) -> RedisResult<Value> {
    let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
    link.route_command(command.clone(), any).await?.extract_error()
}

/// Reads the answer to `CLUSTER SLOTS`: `[from, to, [host, port, …], replicas…]` of each range.
fn ranges(answer: Value) -> Vec<Range> {
    let Value::Array(all) = answer else { return Vec::new() };
    let range = |value: Value| {
        let Value::Array(parts) = value else { return None };
        let [from, to, Value::Array(keeper), ..] = &parts[..] else { return None };
        let [host, port, ..] = &keeper[..] else { return None };
        let host: String = redis::from_redis_value_ref(host).ok()?;
        let number = |value| u16::try_from(redis::from_redis_value_ref::<i64>(value).ok()?).ok();
        // A server that does not know its own address says none.
        let known = !host.is_empty() && host != "?";
        known.then_some((number(from)?, number(to)?, (host, number(port)?)))
    };
    all.into_iter().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_what_is_none_is_left_out() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let range = |from, to, host: Value, port| {
            let keeper = Value::Array(vec![host, Value::Int(port), text("id")]);
            Value::Array(vec![Value::Int(from), Value::Int(to), keeper])
        };
        let answer = Value::Array(vec![
            range(0, 100, text("10.0.0.1"), 7000),
            range(101, 200, Value::Nil, 7001),
            range(201, 300, text(""), 7001),
            range(301, 400, text("h"), 70_000),
            Value::Int(1),
            range(401, 16383, text("::1"), 7002),
        ]);
        let found = ranges(answer);
        let expected = [(0, 100, ("10.0.0.1".into(), 7000)), (401, 16383, ("::1".into(), 7002))];
        assert_eq!(found, expected);
        assert!(ranges(Value::Nil).is_empty());
    }
}
