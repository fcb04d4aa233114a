//! Sessions, in any order of events: packets both ways, transports that come, go and break, upgrades, time.

mod client;
mod model;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::client::Client;
use super::input::Input;

/// Steps of one run.
const MOST_STEPS: usize = 200;

thread_local! {
    /// Its clock stands still while there is something to do, and jumps to the next timer else.
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

/// Every packet that was pushed is delivered exactly once and in order, or the session is closed; the same
/// holds for messages of the client, for which the receiver is called one after the other and told of the
/// end once. What is due happens when it is due. What waits for the client never exceeds its bound.
pub fn session(data: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(run(Input(data))));
}

async fn run(mut input: Input<'_>) {
    let mut client = Client::new(&mut input);
    for _ in 0..MOST_STEPS {
        if input.0.is_empty() {
            break;
        }
        step(&mut client, &mut input).await;
    }
    client.ends().await;
}

async fn step(client: &mut Client, input: &mut Input<'_>) {
    let step = input.byte();
    match step % 18 {
        0..=2 => client.is_told(step / 18 % 4, input.byte()),
        3 => client.attaches(input.byte()),
        4 => client.is_taken_up(input.byte()),
        5..=7 => client.polls(input.byte()),
        8 => client.lets_go(input.byte()),
        9 => client.diverts(input.byte()),
        10 | 11 => client.submits(input),
        12 => client.is_heard(input.byte()),
        13 => client.posts(input.byte()),
        14 => tokio::time::sleep(Duration::from_millis(20 * u64::from(input.byte()))).await,
        15 => client.misses(Duration::from_millis(50 * u64::from(input.byte()))).await,
        16 => client.is_nudged(input.byte()),
        _ => client.is_closed(input.byte()),
    }
    client.looks_around(step % 18).await;
}
