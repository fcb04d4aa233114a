//! What nodes said while Redis was away gets into the stream in the order of time.
//!
//! Each node puts what it has into one sorted set, by the time at which it was said. When all have had the
//! time to do so, one of them moves the whole set to the end of the stream, at once. What a node has put
//! there gets to the stream even if that node is gone by then.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::aio::ConnectionLike as _;
use redis::{Cmd, Pipeline, RedisResult, cmd, from_redis_value};

use super::StreamSettings;
use super::outgoing::Sending;
use super::writer::fields;
use crate::cluster::redis::Link;

/// From when a node is back to the merge: for the others to come back.
pub const GATHERING: Duration = Duration::from_secs(1);

/// Entries that are moved at once. Redis does nothing else meanwhile.
const COUNT: usize = 500;

/// Each member of the set begins with a number of so many digits. It keeps entries of the same millisecond in order, because
/// Redis sorts members of equal score by their bytes.
const DIGITS: usize = 20;

/// Moves the first entries of the set to the stream, and answers how many.
const MOVE: &str = "\
local late = redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1)
for _, entry in ipairs(late) do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(cjson.decode(string.sub(entry, ARGV[3] + 1))))
end
if #late > 0 then redis.call('ZREMRANGEBYRANK', KEYS[2], 0, #late - 1) end
return #late";

/// The key of the set. In a Redis Cluster it is where the stream is.
pub fn key(stream: &str) -> String {
    let tag = stream.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    match tag {
        Some((tag, _)) if !tag.is_empty() => format!("{stream}#late"),
        _ => format!("{{{stream}}}#late"),
    }
}

/// Adds to a pipeline that a message is put into the set. To put it there twice changes nothing.
pub fn put(pipe: &mut Pipeline, settings: &StreamSettings, node: &str, message: &Sending) {
    let said = message.late.unwrap_or(SystemTime::UNIX_EPOCH);
    let ms = said.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let fields =
        serde_json::Value::from(fields(node, message).map(|part| part.into_owned()).to_vec());
    let entry = format!("{:0DIGITS$}{fields}", message.number);
    pipe.cmd("ZADD").arg(key(&settings.stream)).arg(ms).arg(entry);
}

/// Moves all that is in the set to the stream.
///
/// # Errors
/// If Redis is away or says no.
pub async fn merge(link: &mut Link, settings: &StreamSettings) -> RedisResult<()> {
    while from_redis_value::<usize>(
        link.req_packed_command(&command(settings)).await?.extract_error()?,
    )? == COUNT
    {}
    Ok(())
}

fn command(settings: &StreamSettings) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(MOVE).arg(2).arg(&settings.stream).arg(key(&settings.stream));
    command.arg(settings.max_entries).arg(COUNT).arg(DIGITS);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_where_the_stream_is() {
        for (stream, set) in [
            ("socket.io", "{socket.io}#late"),
            ("socket.io-3", "{socket.io-3}#late"),
            ("a{b}c", "a{b}c#late"),
            ("a{}c", "{a{}c}#late"),
            ("a}{c", "{a}{c}#late"),
        ] {
            assert_eq!(key(stream), set);
        }
    }
}
