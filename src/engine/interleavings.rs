//! Sessions in orders of events that a machine seldom tries: at each lock, flag and wake a
//! scheduler decides which task runs next. It also notices if none can run any more.
//!
//! `SCHEDULES` is how many orders each test tries, `SHUTTLE_RANDOM_SEED` which. A test that fails
//! prints its order, which `shuttle::replay` runs again.
//!
//! Locks of the system are used for what is to be no event, and must not be held over one.

mod clients;
mod inbound;
mod outbound;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use shuttle::future::block_on;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use super::testing::{Deaf, POLLING, SOCKET, new_session};
use super::*;

/// Stacks are not checked for their end.
const STACK: usize = 512 * 1024;
/// Orders to try if `SCHEDULES` is not set.
const SCHEDULES: usize = 500;
const SEED: u64 = 10;

/// Runs `test` in many orders: half of them at random, half with few interruptions at random
/// places, which find what needs one task to be away for long.
fn explore(test: fn()) {
    let schedules = std::env::var("SCHEDULES").map_or(SCHEDULES, |number| number.parse().unwrap());
    let mut config = Config::new();
    (config.stack_size, config.silence_warnings) = (STACK, true);
    // For its clock, which stands.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let run =
        |scheduler: Box<dyn Scheduler + Send>| Runner::new(scheduler, config.clone()).run(test);
    run(Box::new(RandomScheduler::new_from_seed(SEED, schedules / 2)));
    for depth in [2, 3, 5] {
        run(Box::new(PctScheduler::new_from_seed(SEED, depth, schedules / 6)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chance(one_in: u32) -> bool {
    thread_rng().gen_ratio(1, one_in)
}

/// Waits for all that the engine does for sessions. There must be none left.
fn finish(engine: &Engine) {
    engine.inner.shared.tasks.close();
    block_on(engine.inner.shared.tasks.wait());
    assert_eq!(engine.session_count(), 0);
}

/// Which of the texts begin with that letter.
fn of(whom: char, texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).filter(|text| text.starts_with(whom)).collect()
}

/// That someone's numbered texts came in order, each once. Returns how many.
fn count(whom: char, texts: &[String]) -> usize {
    let came = of(whom, texts);
    let expected: Vec<_> = (0..came.len()).map(|number| format!("{whom}{number}")).collect();
    assert_eq!(came, expected, "in {texts:?}");
    came.len()
}
