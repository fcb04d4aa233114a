use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn who_listens_at_times_costs_nothing_at_others() {
    let (handlers, wanted) = (Handlers::default(), Arc::<AtomicBool>::default());
    let asked = Arc::clone(&wanted);
    handlers.on_any_outgoing_if(move || asked.load(Ordering::Relaxed), |_, _, _| {});
    assert_eq!(handlers.table().listening().count(), 0);
    wanted.store(true, Ordering::Relaxed);
    assert_eq!(handlers.table().listening().count(), 1);
    handlers.on_any_outgoing(|_, _, _| {});
    wanted.store(false, Ordering::Relaxed);
    assert_eq!(handlers.table().listening().count(), 1);
}
