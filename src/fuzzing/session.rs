//! The life of a session, in any order of events: packets both ways, transports that attach, end and break,
//! upgrades, time.

mod client;
mod model;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::client::Client;
use super::input::Input;

/// Steps of one run.
const MOST_STEPS: usize = 200;

thread_local! {
    /// Its clock stands still while a task is ready, and otherwise jumps to the next timer.
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

/// Every packet that was pushed arrives exactly once and in order, or the session is closed. The same holds for
/// messages of the client: the receiver is called for one at a time, and once for the end. Deadlines are met.
/// Queues never exceed their bounds. Nothing is left over at the end.
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
    client.finish().await;
}

async fn step(client: &mut Client, input: &mut Input<'_>) {
    let step = input.byte();
    match step % 18 {
        0..=2 => client.push(step / 18 % 4, input.byte()),
        3 => client.attach(input.byte()),
        4 => client.take_up(input.byte()),
        5..=7 => client.drain(input.byte()),
        8 => client.end_drain(input.byte()),
        9 => client.set_direct_writer(input.byte()),
        10 | 11 => client.submit(input),
        12 => client.heard(input.byte()),
        13 => client.post(input.byte()),
        14 => tokio::time::sleep(Duration::from_millis(20 * u64::from(input.byte()))).await,
        15 => client.pause(Duration::from_millis(50 * u64::from(input.byte()))).await,
        16 => client.nudge(input.byte()),
        _ => client.close(input.byte()),
    }
    client.check(step % 18).await;
}
