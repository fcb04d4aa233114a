//! Applies the policy when a client joins a namespace: a rule may allow a namespace on some transports
//! only.

use std::future::ready;
use std::sync::Arc;

use super::Gate;
use crate::socketio::{ConnectError, Handlers, Socket};

/// Has the [`Gate`] asked before each join. To be called before the application registers its own
/// functions, so that it does not hear of whom the policy refuses.
pub fn guard(namespace: &Handlers, gate: &Arc<Gate>) {
    let gates = [gate; 3].map(Arc::clone);
    let [asked, joined, left] = gates;
    namespace.use_guard(move |socket: Socket| {
        let admitted = asked.check_namespace(socket.session(), socket.namespace().name());
        ready(admitted.map_err(|refusal| ConnectError::new(refusal.to_string())))
    });
    namespace.on_connect(move |socket| {
        joined.set_joined(socket.session(), socket.namespace().name(), true);
        ready(())
    });
    namespace.on_disconnect(move |socket, _reason| {
        left.set_joined(socket.session(), socket.namespace().name(), false);
        ready(())
    });
}
