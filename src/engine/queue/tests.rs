use super::*;

/// Room for two packets, and for ten bytes of their own.
const LIMITS: QueueLimits = QueueLimits { bytes: 10 + 2 * PER_PACKET, messages: 3 };
const NEWS: Delivery = Delivery::Conflated(1);
const OTHER: Delivery = Delivery::Conflated(2);

fn push(queue: &mut Queue, text: &'static str, delivery: Delivery) -> Result<(), Full> {
    let frames = &[Frame::fixed(text)];
    queue.push(Outgoing { frames, delivery, shared: false }, LIMITS)
}

fn frames<const N: usize>(texts: [&'static str; N]) -> [Frame; N] {
    texts.map(Frame::fixed)
}

fn drain(queue: &mut Queue) -> Vec<Frame> {
    let mut batch = Vec::new();
    queue.take(&mut batch);
    assert_eq!((queue.held(), queue.own()), (0, 0));
    batch
}

#[test]
fn volatile_packets_go_first() {
    let mut queue = Queue::default();
    push(&mut queue, "typing", Delivery::Volatile).unwrap();
    push(&mut queue, "hello", Delivery::Volatile).unwrap();
    assert_eq!(queue.held(), 6 + PER_PACKET, "the second did not fit and vanished");
    push(&mut queue, "message", Delivery::Reliable).unwrap();
    assert_eq!(drain(&mut queue), frames(["message"]));
}

#[test]
fn the_newest_of_a_key_takes_the_place_of_the_last_and_may_be_dropped() {
    let mut queue = Queue::default();
    push(&mut queue, "n1", NEWS).unwrap();
    push(&mut queue, "o", OTHER).unwrap();
    push(&mut queue, "n2", NEWS).unwrap();
    assert_eq!(queue.held(), 3 + 2 * PER_PACKET);
    assert_eq!(drain(&mut queue), frames(["o", "n2"]));
    push(&mut queue, "n", NEWS).unwrap();
    push(&mut queue, "typing", Delivery::Volatile).unwrap();
    push(&mut queue, "12345678", Delivery::Reliable).unwrap();
    push(&mut queue, "other", OTHER).unwrap();
    assert_eq!(drain(&mut queue), frames(["n", "12345678"]));
    push(&mut queue, "n", NEWS).unwrap();
    push(&mut queue, "1234567890", Delivery::Reliable).unwrap();
    assert_eq!(drain(&mut queue), frames(["1234567890"]));
}

#[test]
fn full_is_an_error_in_bytes_and_in_messages() {
    let mut queue = Queue::default();
    push(&mut queue, "0123456789", Delivery::Reliable).unwrap();
    assert_eq!(push(&mut queue, "x", Delivery::Reliable), Err(Full));
    queue.push_control(Frame::fixed("2"));
    assert_eq!(drain(&mut queue).len(), 2);
    let limits = QueueLimits { bytes: 1 << 20, ..LIMITS };
    let frames = &[Frame::fixed("x")];
    let packet = Outgoing { frames, delivery: Delivery::Reliable, shared: false };
    for _ in 0..3 {
        queue.push(packet, limits).unwrap();
    }
    assert_eq!(queue.push(packet, limits), Err(Full));
    assert_eq!(queue.push(packet, limits.with_grace()), Ok(()), "half as much again");
    assert_eq!(queue.push(packet, limits.with_grace()), Err(Full));
}

#[test]
fn packets_count_even_if_they_are_empty_and_shared_ones_cost_their_place() {
    let mut queue = Queue::default();
    push(&mut queue, "", Delivery::Reliable).unwrap();
    assert_eq!((queue.held(), queue.own()), (PER_PACKET, PER_PACKET));
    let (frames, delivery) = (&[Frame::fixed("12345")], Delivery::Reliable);
    queue.push(Outgoing { frames, delivery, shared: true }, LIMITS).unwrap();
    assert_eq!((queue.held(), queue.own()), (5 + 2 * PER_PACKET, 2 * PER_PACKET));
    queue.push_control(Frame::fixed("2"));
    assert_eq!((queue.held(), queue.own()), (6 + 3 * PER_PACKET, 1 + 3 * PER_PACKET));
    drain(&mut queue);
}

#[test]
fn one_heartbeat_that_waits_is_enough() {
    let mut queue = Queue::default();
    for _ in 0..1000 {
        queue.push_heartbeat(Frame::fixed("3"));
    }
    queue.push_control(Frame::fixed("2"));
    queue.push_heartbeat(Frame::fixed("3"));
    assert_eq!(drain(&mut queue), frames(["3", "2"]));
    queue.push_heartbeat(Frame::fixed("3"));
    assert_eq!(drain(&mut queue), frames(["3"]));
}

#[test]
fn a_packet_with_attachments_is_queued_whole_or_not() {
    let mut queue = Queue::default();
    push(&mut queue, "12345", Delivery::Reliable).unwrap();
    let packet = [Frame::fixed("123"), Frame::Binary("456".into())];
    let outgoing = Outgoing { frames: &packet, delivery: Delivery::Reliable, shared: false };
    assert_eq!(queue.push(outgoing, LIMITS), Err(Full));
    assert_eq!(drain(&mut queue).len(), 1);
    queue.push(outgoing, LIMITS).unwrap();
    assert_eq!(drain(&mut queue), packet);
}

#[test]
fn undelivered_frames_come_first_again() {
    let mut queue = Queue::default();
    push(&mut queue, "c", Delivery::Reliable).unwrap();
    queue.put_back(frames(["a", "b"]).into());
    assert_eq!((queue.held(), queue.own()), (3 + 3 * PER_PACKET, 3 + 3 * PER_PACKET));
    assert_eq!(drain(&mut queue), frames(["a", "b", "c"]));
    assert!(queue.is_empty());
}

#[test]
fn a_write_takes_so_much_and_no_packet_in_two() {
    let large = QueueLimits { bytes: 1 << 20, messages: 100 };
    let chunk = Frame::Binary(vec![0; TAKEN_AT_ONCE / 2].into());
    let packet = [chunk.clone(), chunk.clone(), chunk.clone()];
    let outgoing = Outgoing { frames: &packet, delivery: Delivery::Volatile, shared: false };
    let mut queue = Queue::default();
    queue.push(outgoing, large).unwrap();
    queue.push_heartbeat(Frame::fixed("3"));
    queue.push(outgoing, large).unwrap();
    let (now, mut batch) = (Instant::now(), Vec::new());
    queue.note_behind(|| now);
    queue.take_for_write(&mut batch);
    assert_eq!(batch.len(), 3, "the packet's end, which lies behind the bound");
    let left = 1 + 3 * chunk.len() + 4 * PER_PACKET;
    assert_eq!((queue.held(), queue.own()), (left, left));
    let later = now + Duration::from_secs(3);
    assert_eq!(queue.behind(later), Duration::from_secs(3));
    assert_eq!(queue.behind_at(Duration::from_secs(5)), Some(now + Duration::from_secs(5)));
    queue.push_heartbeat(Frame::fixed("3"));
    queue.take_for_write(&mut batch);
    assert_eq!(batch.len(), 7, "one heartbeat, and the second packet");
    assert!(queue.is_empty());
    assert_eq!((queue.behind(later), queue.held()), (Duration::ZERO, 0));
    let mut poured = Vec::new();
    queue.push(outgoing, large).unwrap();
    queue.push(outgoing, large).unwrap();
    while !queue.is_empty() {
        poured.push(queue.pour(true, <[Frame]>::len));
    }
    assert_eq!(poured, [3, 3]);
    queue.push(outgoing, large).unwrap();
    queue.push(outgoing, large).unwrap();
    assert_eq!(queue.pour(false, <[Frame]>::len), 6);
    // A heartbeat that was taken waits no more, whatever stays.
    queue.push_heartbeat(Frame::fixed("3"));
    queue.push(Outgoing { shared: true, ..outgoing }, large).unwrap();
    queue.push(Outgoing { shared: true, ..outgoing }, large).unwrap();
    assert_eq!(queue.pour(true, <[Frame]>::len), 4);
    assert_eq!(queue.own(), 3 * PER_PACKET);
    queue.push_heartbeat(Frame::fixed("3"));
    assert_eq!(drain(&mut queue).len(), 4);
}

#[test]
fn bounds_with_grace_and_without_what_is_held_elsewhere() {
    let limits = QueueLimits { bytes: 100, messages: 10 };
    for (limits, expected) in [
        (limits.with_grace(), (150, 15)),
        (limits.less(30), (70, 10)),
        (limits.less(101), (0, 10)),
        (QueueLimits { bytes: usize::MAX, messages: 1 }.with_grace(), (usize::MAX, 1)),
    ] {
        assert_eq!((limits.bytes, limits.messages), expected);
    }
}

#[test]
fn a_reader_is_behind_until_it_has_what_waited_then() {
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let mut queue = Queue::default();
    queue.note_behind(|| unreachable!("nothing waits"));
    push(&mut queue, "v", Delivery::Volatile).unwrap();
    push(&mut queue, "n", NEWS).unwrap();
    queue.note_behind(|| now);
    push(&mut queue, "v", Delivery::Volatile).unwrap();
    queue.note_behind(|| unreachable!("it was noted"));
    assert_eq!(queue.behind(now + second), second);
    push(&mut queue, "m", NEWS).unwrap();
    assert_eq!(queue.behind(now + second), second, "the first still waits");
    push(&mut queue, "1234567890", Delivery::Reliable).unwrap();
    assert_eq!(queue.behind(now + second), Duration::ZERO, "what waited then was dropped");
    queue.note_behind(|| now + second);
    queue.put_back(frames(["a"]).into());
    assert_eq!(queue.behind(now + second * 3), second * 2);
    drain(&mut queue);
    assert_eq!(queue.behind(now + second * 3), Duration::ZERO);
}
