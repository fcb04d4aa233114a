use std::task::Context;

use super::super::direct_writer::DirectWriter;
use super::super::limits::{PER_PACKET, QueueLimits};
use super::super::queue::Delivery;
use super::super::testing::{POLLING, SOCKET};
use super::outlet::Via;
use super::tick::Tick;
use super::*;
use crate::dialect::Frame;
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;

/// A connection that takes whatever comes, and keeps so many bytes of it.
#[derive(Debug)]
struct Keeps(usize);

impl Connection for Keeps {
    fn held(&self) -> usize {
        self.0
    }

    fn cut(&self) {}
}

impl DirectWriter for Keeps {
    fn try_send(&self, _: &[Frame], _: &dyn Dialect, _: &Wire) -> SendOutcome {
        SendOutcome::Sent
    }

    fn connection(&self) -> Option<Arc<dyn Connection>> {
        Some(Arc::new(Keeps(self.0)))
    }
}

/// A session with somebody who waits for packets.
fn waiting(transport: &'static TransportInfo, keeps: usize, now: Instant) -> State {
    let limits = Limits::default();
    let mut state = State::new(transport, &limits, now);
    assert!(state.start(transport, &limits, now));
    let mut outlet = state.new_outlet();
    outlet.direct_writer = Some(Arc::new(Keeps(keeps)));
    outlet.wait(&mut Context::from_waker(Waker::noop()), true);
    state.outlet = Some(outlet);
    state
}

/// A packet that takes so much room.
fn packet(costs: usize) -> [Frame; 1] {
    [Frame::Text("x".repeat(costs - PER_PACKET).into())]
}

fn reliable(frames: &[Frame]) -> Outgoing<'_> {
    Outgoing { frames, delivery: Delivery::Reliable, shared: false }
}

fn unconfirmed(now: Instant) -> Box<Unconfirmed> {
    Box::new(Unconfirmed::new(&POLLING, now))
}

#[test]
fn packets_go_straight_out_if_nothing_else_is_going_on() {
    let now = Instant::now();
    type Change = fn(&mut State, &mut Outlet);
    let cases: [(&str, bool, Change); 7] = [
        ("nothing", true, |_, _| {}),
        ("an upgrade", false, |state, _| state.unconfirmed = Some(unconfirmed(Instant::now()))),
        ("the end", false, |state, _| {
            state.phase = Phase::Lingering(CloseReason::ServerClosed);
        }),
        ("a packet before", false, |_, outlet| outlet.wants = false),
        ("a release", false, |_, outlet| outlet.released = true),
        ("a promotion", false, |_, outlet| outlet.promoted = true),
        ("a question", false, |_, outlet| outlet.asks = true),
    ];
    for (case, straight, change) in cases {
        let mut state = waiting(&SOCKET, 0, now);
        let mut outlet = state.outlet.take().expect("one that waits");
        change(&mut state, &mut outlet);
        state.outlet = Some(outlet);
        state.queue.push_control(Frame::fixed("6"));
        let wake = state.pump(&EngineIo4, &Wire::default(), || now);
        assert_eq!((state.queue.is_empty(), wake.is_none()), (straight, straight), "{case}");
    }
}

#[test]
fn what_is_held_elsewhere_leaves_less_room_once_something_waits_here() {
    let queue = QueueLimits { bytes: 8000, messages: 100 };
    let limits = Limits { queue, ..Limits::default() };
    for (waits, elsewhere, lagging, fits) in [
        (0, 9000, 0, true),
        (999, 9000, 0, true),
        (999, 0, 9000, false),
        (1000, 9000, 0, false),
        (2000, 9000, 0, false),
        (1000, 6800, 0, true),
        (1000, 6801, 0, false),
        (1000, 6000, 800, true),
        (1000, 6000, 801, false),
    ] {
        let case = format!("{waits} here, {elsewhere} and {lagging} elsewhere");
        let now = Instant::now();
        let mut state = waiting(&SOCKET, elsewhere, now);
        if waits > 0 {
            state.push(reliable(&packet(waits)), &limits, || now).expect("room");
        }
        let other: Arc<dyn Connection> = Arc::new(Keeps(lagging));
        if lagging > 0 {
            state.answered_by(&other);
        }
        state.settle(|| now);
        let pushed = state.push(reliable(&packet(200)), &limits, || now + BEHIND_FOR_LONG);
        assert_eq!(pushed.is_ok(), fits, "{case}");
    }
}

#[test]
fn all_that_waits_and_was_begun_counts() {
    let now = Instant::now();
    let mut state = waiting(&SOCKET, 1000, now);
    assert!(!state.settle(|| now), "nothing waits");
    let frames = [Frame::fixed("1234567")];
    state.queue.push(reliable(&frames), Limits::default().queue).expect("room");
    let shared = Outgoing { shared: true, ..reliable(&frames) };
    state.queue.push(shared, Limits::default().queue).expect("room");
    let mut upgrade = unconfirmed(now);
    upgrade.keep(&[Frame::fixed("12")]);
    upgrade.keep(&[Frame::fixed("34"), Frame::fixed("56")]);
    state.unconfirmed = Some(upgrade);
    state.begun(Begun::Message, 10_000);
    state.begun(Begun::Packet, 20_000);
    for (from, to) in [(0, 100), (0, 300), (100, 500), (300, 0)] {
        state.body_grew(from, to);
    }
    let charged = 7 + 2 * PER_PACKET + 6 + 3 * PER_PACKET + 30_500;
    assert!(state.settle(|| now), "something waits");
    assert_eq!(state.holdings.charged(), charged);
    let held = state.held();
    assert_eq!((held.own, held.shared, held.all()), (charged + 1000, 7, charged + 1007));
}

/// What a look so many seconds after the start came to.
fn look(state: &mut State, start: Instant, seconds: u64, resumed: Option<u64>) -> String {
    let at = |seconds| start + Duration::from_secs(seconds);
    let (limits, resumed) = (Limits::default(), resumed.map(at));
    match state.tick(&EngineIo3, &Wire::default(), &limits, resumed, at(seconds)) {
        Tick::Wait { until, .. } => format!("until {}", (until - start).as_secs()),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_silent_client_that_is_to_ask_is_asked_once_where_that_can_be() {
    let start = Instant::now();
    let mut state = waiting(&SOCKET, 0, start);
    let mut asks = |at, heard| {
        if heard {
            state.heard(start + Duration::from_secs(at));
        }
        let looked = look(&mut state, start, at, None);
        let outlet = state.outlet.as_mut().expect("it is still there");
        (looked, std::mem::take(&mut outlet.asks))
    };
    for (at, heard, looked, asked) in [
        (0, false, "until 35", false),
        (34, false, "until 35", false),
        (35, false, "until 45", true),
        (36, false, "until 45", false),
        (40, true, "until 75", false),
        (75, false, "until 85", true),
        (84, false, "until 85", false),
        (85, false, "Close(PingTimeout)", false),
    ] {
        assert_eq!(asks(at, heard), (looked.to_owned(), asked), "{at}");
    }
    let mut state = waiting(&POLLING, 0, start);
    for at in [0, 35, 44] {
        assert_eq!(look(&mut state, start, at, None), "until 45", "by polling");
    }
    assert_eq!(look(&mut state, start, 45, None), "Close(PingTimeout)");
}

#[test]
fn who_takes_nothing_has_the_full_time_after_a_pause() {
    let start = Instant::now();
    for (resumed, end) in [(None, 45), (Some(10), 55), (Some(44), 89)] {
        let mut state = waiting(&SOCKET, 0, start);
        state.queue.push_control(Frame::fixed("6"));
        state.settle(|| start);
        for at in [1, end - 1, end] {
            state.heard(start + Duration::from_secs(at));
            let over = look(&mut state, start, at, resumed) == "Close(Unread)";
            assert_eq!(over, at == end, "{resumed:?}, {at}");
        }
    }
}

#[test]
fn a_poll_that_was_lost_on_its_way_has_its_time_after_a_pause() {
    let start = Instant::now();
    for (resumed, end) in [(None, 1), (Some(0), 1), (Some(1), 2), (Some(7), 8)] {
        let mut state = waiting(&POLLING, 0, start);
        state.outlet = None;
        assert!(!state.await_resent(Via::Client, start) && state.await_resent(Via::Node, start));
        for at in [end - 1, end] {
            let over = look(&mut state, start, at, resumed) == "Close(TransportLost)";
            assert_eq!(over, at == end, "{resumed:?}, {at}");
        }
    }
}

#[test]
fn who_reads_too_slowly_is_cut_and_nobody_else() {
    use CloseReason::{ClientClosed, PingTimeout, QueueTotal, SlowReader, TransportLost, Unread};
    let now = Instant::now();
    for (reason, slow) in [
        (SlowReader, true),
        (Unread, true),
        (QueueTotal, true),
        (PingTimeout, false),
        (TransportLost, false),
        (ClientClosed, false),
    ] {
        let mut state = waiting(&SOCKET, 100, now);
        let closed = state.close(reason, &Limits::default(), now).expect("it was open");
        assert_eq!(closed.cut.len(), usize::from(slow), "{reason}");
        assert!(closed.over.is_some(), "{reason}");
    }
}
