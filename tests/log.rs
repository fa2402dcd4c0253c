//! The message log: what is kept, what is evicted, and what is counted.

use std::collections::VecDeque;

use mqtt_crawl::message_log::message::{Message, NewMessage};
use mqtt_crawl::message_log::{Limits, MessageLog};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

fn arrival<'a>(topic: &'a str, payload: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        time: Instant::from_millis(1_000),
        topic,
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        properties: &[],
        payload,
    }
}

fn small(messages: u64, bytes: u64) -> MessageLog {
    MessageLog::new(Limits { messages, bytes })
}

#[test]
fn empty_log_is_empty() {
    let log = MessageLog::default();
    assert_eq!((log.first_seq(), log.next_seq()), (1, 1));
    assert_eq!((log.received(), log.kept(), log.evicted(), log.cleared()), (0, 0, 0, 0));
    assert_eq!((log.kept_bytes(), log.memory_bytes()), (0, 0));
    for seq in [0, 1, 2, u64::MAX] {
        assert_eq!(log.message(seq), None);
        assert_eq!(log.iter_from(seq).count(), 0);
        assert_eq!(log.iter_back_from(seq).count(), 0);
    }
}

#[test]
fn message_is_stored_unchanged_with_its_time_in_milliseconds() {
    let mut log = MessageLog::default();
    let kept = NewMessage {
        time: Instant::from_micros(1_234_567_891),
        topic: "küche/licht",
        qos: QoS::ExactlyOnce,
        retain: true,
        dup: true,
        properties: &[0x01, 0x01],
        payload: &[0xFF, 0x00, 0x0A],
    };
    assert_eq!(log.append(&kept), 1);
    assert_eq!(log.append(&arrival("a", b"")), 2);
    let NewMessage { topic, qos, retain, dup, properties, payload, .. } = kept;
    let time = Instant::from_millis(1_234_567);
    let message = Message { seq: 1, time, topic, qos, retain, dup, properties, payload };
    assert_eq!(log.message(1), Some(message));
    assert_eq!(log.message(2).map(|message| message.payload), Some(&[][..]));
    assert_eq!(log.kept_bytes(), ("küche/licht".len() + 4 + 2 + 3 + "a".len() + 4) as u64);
}

#[test]
fn times_end_with_the_year_9999() {
    let mut log = MessageLog::default();
    log.append(&NewMessage { time: Instant::from_micros(u64::MAX), ..arrival("a", b"") });
    assert_eq!(log.message(1).map(|message| message.time), Some(Instant::RFC3339_MAX));
}

#[test]
fn message_limit_is_exact_and_evicts_a_chunk() {
    let mut log = small(160, 1 << 20);
    for _ in 0..160 {
        log.append(&arrival("a", b"x"));
    }
    assert_eq!((log.kept(), log.evicted()), (160, 0));
    log.append(&arrival("a", b"x"));
    assert_eq!((log.kept(), log.evicted()), (151, 10));
    assert_eq!((log.first_seq(), log.next_seq()), (11, 162));
    assert_eq!(log.message(10), None);
}

#[test]
fn smaller_limits_evict_immediately_and_exactly() {
    // Filled under limits whose chunks hold more than the smaller ones allow.
    let mut log = small(1_000_000, 64 << 20);
    for n in 0..200_000_u32 {
        log.append(&arrival(&format!("t/{}", n % 50), &n.to_le_bytes()));
    }
    let bound = |log: &mut MessageLog, messages| {
        log.set_limits(Limits { messages, bytes: 64 << 20 });
        assert_eq!((log.kept(), log.received()), (messages, 200_000));
        assert_eq!(log.evicted(), 200_000 - messages);
        assert_eq!(log.message(log.first_seq() - 1), None);
        let oldest = (log.first_seq() - 1) as u32;
        assert_eq!(log.message(log.first_seq()).map(|message| message.payload), Some(&oldest.to_le_bytes()[..]));
        assert_eq!(log.iter_from(0).count() as u64, messages);
        assert_eq!(log.iter_back_from(u64::MAX).count() as u64, messages);
    };
    bound(&mut log, 200_000);
    bound(&mut log, 150_001);
    bound(&mut log, 1_000);
    // Of the earlier messages no more is evicted than a chunk now holds.
    for n in 1..=20_000_u64 {
        log.append(&arrival("t/new", &[1; 40]));
        assert!((938..=1_000).contains(&log.kept()), "{} kept", log.kept());
        assert_eq!(log.received(), 200_000 + n);
        assert_eq!(log.received(), log.kept() + log.evicted());
    }
    bound_bytes(&mut log);
}

/// With larger limits the log grows again, and with less memory it shrinks.
fn bound_bytes(log: &mut MessageLog) {
    log.set_limits(Limits { messages: 1_000_000, bytes: 64 << 20 });
    for _ in 0..40 {
        log.append(&arrival("t/large", &[1; 1 << 20]));
    }
    assert!(log.memory_bytes() > 40 << 20);
    log.set_limits(Limits { messages: 1_000_000, bytes: 16 << 20 });
    assert!(log.memory_bytes() <= 16 << 20, "{} bytes", log.memory_bytes());
    assert!(log.kept() >= 14, "{} kept", log.kept());
    assert_eq!(log.received(), log.kept() + log.evicted());
}

#[test]
fn newest_message_is_never_evicted() {
    let mut log = small(100, 64 << 20);
    log.append(&arrival("a", b"small"));
    log.append(&arrival("a", &vec![5; 1 << 20]));
    log.set_limits(Limits { messages: 0, bytes: 0 });
    assert_eq!((log.kept(), log.evicted()), (1, 1));
    assert_eq!(log.message(2).map(|message| message.payload.len()), Some(1 << 20));
}

#[test]
fn byte_limit_covers_allocated_memory() {
    let mut log = small(1_000_000, 1 << 18);
    for seq in 1..=10_000_u64 {
        log.append(&arrival("sensors/kitchen", &[7; 100]));
        assert!(log.memory_bytes() <= 1 << 18);
        assert!(log.kept_bytes() <= log.memory_bytes());
        assert_eq!(log.received(), seq);
        assert_eq!(log.received(), log.kept() + log.evicted());
    }
    // The room left by evicted messages is no more than one chunk of sixteen.
    assert!(log.kept() * 124 > (1 << 18) * 14 / 16, "{} kept", log.kept());
}

#[test]
fn message_larger_than_the_limit_is_stored_alone() {
    let mut log = small(100, 1 << 16);
    log.append(&arrival("a", b"small"));
    let large = vec![5; 1 << 17];
    log.append(&arrival("a", &large));
    assert_eq!((log.kept(), log.evicted()), (1, 1));
    assert_eq!(log.message(2).map(|message| message.payload), Some(&large[..]));
    log.append(&arrival("b", b"small again"));
    assert_eq!((log.first_seq(), log.kept(), log.evicted()), (3, 1, 2));
}

#[test]
fn small_messages_between_large_ones_leave_no_large_gaps() {
    for large_bytes in [150_000, 300_000, 700_000, 2_000_000] {
        let mut log = MessageLog::default();
        let large = vec![1; large_bytes];
        for _ in 0..50 {
            log.append(&arrival("picture", &large));
            log.append(&arrival("note", b"taken"));
        }
        // At most an eighth of a closed chunk is unused, and one chunk is open.
        let used = log.kept_bytes() + 100 * 24;
        assert!(log.memory_bytes() < used * 8 / 7 + (1 << 20), "{} for {used}", log.memory_bytes());
        for seq in 1..=100 {
            let payload = if seq % 2 == 1 { &large[..] } else { b"taken" };
            assert_eq!(log.message(seq).map(|message| message.payload), Some(payload));
        }
    }
}

#[test]
fn million_messages_take_little_more_memory_than_their_bytes() {
    const MESSAGES: u64 = 1_000_000;
    let topics: Vec<String> = (0..200).map(|n| format!("sensors/{n:03}/t")).collect();
    let payload = [b'x'; 77];
    let mut log = MessageLog::default();
    for n in 0..MESSAGES {
        log.append(&arrival(&topics[(n * 7 % 200) as usize], &payload));
    }
    assert_eq!((log.kept(), log.evicted()), (MESSAGES, 0));
    let bytes = MESSAGES * (payload.len() + topics[0].len()) as u64;
    assert_eq!(bytes, MESSAGES * 90);
    // Topics are interned, so this is below the promise of 1.35 and 16 MiB.
    assert!(log.memory_bytes() < bytes * 115 / 100, "{} bytes", log.memory_bytes());
    let bookkeeping = log.memory_bytes() - log.kept_bytes();
    assert!(bookkeeping < MESSAGES * 32, "{bookkeeping} bytes");
}

#[test]
fn topics_are_freed_with_their_messages() {
    let mut log = small(1_000_000, 1 << 20);
    for n in 0..100_000 {
        log.append(&arrival(&format!("once/{n}"), b"?"));
        assert!(log.memory_bytes() <= 1 << 20);
    }
    for message in log.iter_from(0) {
        assert_eq!(message.topic, format!("once/{}", message.seq - 1));
    }
    log.clear();
    assert_eq!((log.kept_bytes(), log.memory_bytes()), (0, 0));
}

#[test]
fn topic_is_stored_once_per_chunk() {
    let mut log = MessageLog::default();
    let topics: Vec<String> = (0..1_000).map(|n| format!("a/long/topic/of/a/device/{n:04}")).collect();
    for _ in 0..5 {
        for topic in &topics {
            log.append(&arrival(topic, b""));
        }
    }
    // A table with few slots to probe holds some topics twice.
    let once: usize = topics.iter().map(|topic| topic.len() + 4).sum();
    assert!(log.kept_bytes() < once as u64 * 101 / 100, "{} for {once}", log.kept_bytes());
}

#[test]
fn clearing_counts_and_numbering_continues() {
    let mut log = small(16, 1 << 20);
    for _ in 0..20 {
        log.append(&arrival("a", b"x"));
    }
    log.clear();
    assert_eq!((log.kept(), log.evicted(), log.cleared()), (0, 4, 16));
    assert_eq!((log.first_seq(), log.next_seq()), (21, 21));
    assert_eq!(log.append(&arrival("a", b"y")), 21);
    assert_eq!(log.message(21).map(|message| message.topic), Some("a"));
    assert_eq!(log.received(), log.kept() + log.evicted() + log.cleared());
}

#[test]
fn import_into_an_empty_log_keeps_its_numbers() {
    let mut log = MessageLog::default();
    assert_eq!(log.import(1, &arrival("a", b"")), 1);
    assert_eq!(log.numbering_epoch(), 0, "nothing was renumbered");
    // A gap isn't imported: kept numbers are consecutive.
    assert_eq!(log.import(7, &arrival("a", b"")), 2);
    log.clear();
    assert_eq!(log.import(1_000, &arrival("a", b"")), 1_000);
    assert_eq!(log.append(&arrival("b", b"")), 1_001);
    assert_eq!(log.numbering_epoch(), 1);
    assert_eq!((log.first_seq(), log.received()), (1_000, 4));
    log.clear();
    for (asked, taken) in [(0, 1), (u64::MAX, MessageLog::SEQ_MAX)] {
        assert_eq!(log.import(asked, &arrival("a", b"")), taken);
        log.clear();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append { topic: usize, flags: u8, time_ms: u64, properties: Vec<u8>, payload: Vec<u8> },
    Clear,
    Import { seq: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..40),
        2 => prop::collection::vec(any::<u8>(), 200..3_000),
        1 => Just(vec![9; 9_000]),
    ];
    let append =
        (0..40_usize, 0..12_u8, 0..=253_402_300_799_999_u64, prop::collection::vec(any::<u8>(), 0..6), bytes).prop_map(
            |(topic, flags, time_ms, properties, payload)| Step::Append { topic, flags, time_ms, properties, payload },
        );
    let step = prop_oneof![
        60 => append,
        1 => Just(Step::Clear),
        1 => (1..500_u64).prop_map(|seq| Step::Import { seq }),
    ];
    prop::collection::vec(step, 0..300)
}

/// Checks that the log iterates over exactly these messages, from any position and in both directions.
fn check_iterators(log: &MessageLog, all: &[u64]) -> Result<(), TestCaseError> {
    for from in (log.first_seq().saturating_sub(2)..log.next_seq() + 2).step_by(7) {
        let on: Vec<u64> = log.iter_from(from).map(|message| message.seq).collect();
        let mut back: Vec<u64> = log.iter_back_from(from).map(|message| message.seq).collect();
        back.reverse();
        back.extend(on);
        prop_assert_eq!(&back[..], all);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Compares the log with the simplest model of it: a list.
    #[test]
    fn log_keeps_the_newest_messages_unchanged(
        steps in steps(),
        messages in 0..200_u64,
        bytes in prop_oneof![0..20_000_u64, Just(1 << 20)],
    ) {
        let topics: Vec<String> = (0..40).map(|n| format!("t/{}", "x".repeat(n))).collect();
        let mut log = small(messages, bytes);
        let mut model: VecDeque<(u64, Step)> = VecDeque::new();
        let (mut received, mut cleared) = (0, 0);
        for step in steps {
            let mut latest_bytes = 0;
            match &step {
                Step::Clear => {
                    cleared += log.kept();
                    log.clear();
                    model.clear();
                }
                Step::Import { seq } => {
                    let was_empty = log.kept() == 0;
                    let expected = if was_empty { *seq } else { log.next_seq() };
                    prop_assert_eq!(log.import(*seq, &arrival("imported", b"here")), expected);
                    received += 1;
                    model.push_back((expected, step.clone()));
                }
                Step::Append { topic, flags, time_ms, properties, payload } => {
                    let expected = log.next_seq();
                    let seq = log.append(&NewMessage {
                        time: Instant::from_millis(*time_ms),
                        topic: &topics[*topic],
                        qos: QoS::from_u8(flags % 3).unwrap_or_default(),
                        retain: flags & 4 != 0,
                        dup: flags & 8 != 0,
                        properties,
                        payload,
                    });
                    prop_assert_eq!(seq, expected);
                    latest_bytes = 24 + 4 + topics[*topic].len() + properties.len() + payload.len();
                    received += 1;
                    model.push_back((seq, step.clone()));
                }
            }
            while model.len() as u64 > log.kept() {
                model.pop_front();
            }
            prop_assert_eq!(model.len() as u64, log.kept());
            prop_assert_eq!(log.received(), received);
            prop_assert_eq!(log.cleared(), cleared);
            prop_assert_eq!(log.received(), log.kept() + log.evicted() + log.cleared());
            prop_assert_eq!(log.first_seq() + log.kept(), log.next_seq());
            prop_assert!(log.kept() <= messages.max(1));
            prop_assert!(log.memory_bytes() <= bytes.max(4096).max(latest_bytes as u64));
            prop_assert_eq!(log.kept() == 0, matches!(step, Step::Clear));
        }
        prop_assert_eq!(log.iter_from(0).count(), model.len());
        for (message, (seq, step)) in log.iter_from(0).zip(&model) {
            prop_assert_eq!(message.seq, *seq);
            prop_assert_eq!(log.message(*seq), Some(message));
            match step {
                Step::Append { topic, flags, time_ms, properties, payload } => {
                    prop_assert_eq!(message.topic, &topics[*topic]);
                    prop_assert_eq!(message.time, Instant::from_millis(*time_ms));
                    prop_assert_eq!(message.qos as u8, flags % 3);
                    prop_assert_eq!(message.retain, flags & 4 != 0);
                    prop_assert_eq!(message.dup, flags & 8 != 0);
                    prop_assert_eq!(message.properties, properties);
                    prop_assert_eq!(message.payload, payload);
                }
                _ => prop_assert_eq!(message.topic, "imported"),
            }
        }
        let all: Vec<u64> = model.iter().map(|(seq, _)| *seq).collect();
        check_iterators(&log, &all)?;
        prop_assert_eq!(log.message(log.next_seq()), None);
        prop_assert_eq!(log.message(log.first_seq() - 1), None);
    }
}
