//! Handlers of events of one client alone.

use std::sync::{Arc, Mutex, PoisonError};

use super::event::EventHandler;
use super::handlers::{OnEvent, boxed_handler};

/// What one socket has of its own, in the order in which it was added.
#[derive(Default)]
pub struct OwnHandlers(Mutex<Vec<Own>>);

struct Own {
    event: Box<str>,
    handler: Arc<OnEvent>,
    once: bool,
}

impl OwnHandlers {
    pub fn add<Parameters>(&self, event: &str, handler: impl EventHandler<Parameters>, once: bool) {
        let (event, handler) = (event.into(), boxed_handler(handler));
        self.change(|all| all.push(Own { event, handler, once }));
    }

    pub fn remove(&self, event: &str) {
        self.change(|all| all.retain(|own| *own.event != *event));
    }

    /// The handlers of an event that has come. Those for one event only are removed.
    pub fn take(&self, event: &str) -> Vec<Arc<OnEvent>> {
        let mut taken = Vec::new();
        self.change(|all| {
            all.retain(|own| {
                let is_for = *own.event == *event;
                if is_for {
                    taken.push(Arc::clone(&own.handler));
                }
                !(is_for && own.once)
            });
        });
        taken
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Own>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
