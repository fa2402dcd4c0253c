//! Failures that repeat in the same way, as text: what the broker ends connections for, requests it doesn't answer, and
//! deviations that are tolerated.

use crate::format::{grouped, size};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::{Failure, Stage};
use crate::mqtt::failure_history::{ANSWER_TIMEOUT, ONE_AT_A_TIME, RECURRENT};
use crate::mqtt::session::event::{Recurrence, Suspect};

use crate::engine::diagnostics::advice_text;
use crate::protocol::connection::Advice;

/// A payload above this is more likely too large than forbidden: it is the smallest limit configured in practice.
const SUSPECT_PAYLOAD_BYTES: usize = 1_024;

/// What a failure has in common with earlier ones; `None` if nothing.
pub(super) fn words(failure: &Failure, recurrence: &Recurrence) -> Option<String> {
    let Recurrence { times, suspect } = recurrence;
    let is_recurrent = *times >= RECURRENT;
    Some(match suspect {
        _ if *times < ONE_AT_A_TIME => return None,
        Some(Suspect::Subscribe(filters)) => {
            let next = match filters.len() {
                1 if is_recurrent => "It is left out.",
                1 => "It is tried once more.",
                _ => "They are tried one by one.",
            };
            format!("The broker ends the connection each time {} is subscribed to. {next}", quoted(filters))
        }
        Some(Suspect::Unsubscribe(filter)) => {
            let next = if is_recurrent { "It isn't asked to any more." } else { "It is asked once more." };
            format!("The broker ends the connection each time it is asked to end the subscription “{filter}”. {next}")
        }
        Some(Suspect::Message { topic, payload_bytes, must_be_resent, .. }) => {
            let next = match (is_recurrent, must_be_resent) {
                (true, true) => "The broker keeps the session, so the message has to be offered again: you decide.",
                (true, false) => "The message isn't sent any more.",
                (false, _) => "It is sent once more.",
            };
            let size = grouped(*payload_bytes as u64);
            format!("The broker ends the connection each time the message to “{topic}” ({size} bytes) is sent. {next}")
        }
        Some(Suspect::Qos0Message { topic, .. }) if is_recurrent => {
            format!("The broker ends the connection each time a message to “{topic}” is sent.")
        }
        None if is_recurrent && matches!(failure, Failure::Violation(_)) => {
            format!("It happened {times} times, so it isn't tried again by itself.")
        }
        None if is_recurrent => format!("It happened {times} times alike, so it is tried again less often."),
        Some(Suspect::Qos0Message { .. }) | None => return None,
    })
}

/// Possible causes and what to do, likeliest first.
pub(super) fn advice(failure: &Failure, recurrence: &Recurrence, client_id: &str) -> Vec<Advice> {
    match &recurrence.suspect {
        _ if recurrence.times < ONE_AT_A_TIME => Vec::new(),
        Some(Suspect::Message { topic, payload_bytes, .. } | Suspect::Qos0Message { topic, payload_bytes }) => {
            about_message(topic, *payload_bytes)
        }
        Some(Suspect::Subscribe(_) | Suspect::Unsubscribe(_)) => vec![advice_text(
            "Some brokers end the connection on a topic filter that isn't allowed, or that they don't take: ask whoever \
             runs this one, or choose a narrower filter.",
        )],
        None if recurrence.times >= RECURRENT && is_sudden(failure) => vec![
            advice_text(format!(
                "Another program may use the client identifier “{client_id}” too: each throws the other out. Give each \
                 program an identifier of its own."
            )),
            advice_text("A proxy or a firewall on the way may end connections: look at its time limits."),
        ],
        None => Vec::new(),
    }
}

/// Whether the broker ended an accepted connection without a reason.
fn is_sudden(failure: &Failure) -> bool {
    matches!(failure, Failure::Closed { stage: Stage::Connected, .. })
}

fn about_message(topic: &str, payload_bytes: usize) -> Vec<Advice> {
    let too_large = advice_text(format!(
        "The message may be too large for the broker: its payload has {} bytes. Ask for the broker's limit (in \
         Mosquitto max_packet_size).",
        grouped(payload_bytes as u64)
    ));
    let forbidden = advice_text(if topic.chars().any(char::is_control) {
        format!("The topic “{}” holds a control character, which some brokers don't take.", topic.escape_debug())
    } else {
        format!("You may not be allowed to publish to “{topic}”: ask whoever runs the broker.")
    });
    match payload_bytes > SUSPECT_PAYLOAD_BYTES {
        true => vec![too_large, forbidden],
        false => vec![forbidden, too_large],
    }
}

/// Why a message was dropped; follows "failed: ".
pub(super) fn given_up(payload_bytes: usize) -> String {
    let cause = match payload_bytes > SUSPECT_PAYLOAD_BYTES {
        true => "it may be too large for the broker, or its topic may be forbidden",
        false => "its topic may be forbidden, or it may be too large for the broker",
    };
    let size = grouped(payload_bytes as u64);
    format!("the broker ended the connection each of the {RECURRENT} times it was sent ({size} bytes): {cause}")
}

/// The text for a request without an answer.
pub(super) fn unanswered(suspect: &Suspect) -> String {
    let request = match suspect {
        Suspect::Subscribe(filters) => format!("the subscription of {}", quoted(filters)),
        Suspect::Unsubscribe(filter) => format!("the end of the subscription “{filter}”"),
        Suspect::Message { topic, .. } | Suspect::Qos0Message { topic, .. } => format!("the message to “{topic}”"),
    };
    format!("The broker hasn't answered {request} for {} s. The connection stays.", ANSWER_TIMEOUT.as_secs())
}

/// The text for a violation by the broker that is tolerated.
pub(super) fn tolerated(deviation: Deviation, topic: Option<&str>) -> String {
    let topic = topic.map_or_else(String::new, |topic| format!(" The topic is “{topic}”."));
    format!("{} {}{topic} The connection stays.", deviation.message(), deviation.rule())
}

/// The text for a message of 3.1.1 that was too large.
pub(super) fn skipped(topic: &str, packet_bytes: usize, limit_bytes: u32) -> String {
    format!(
        "A message of {} on “{topic}” was skipped: this app takes {} at most, and MQTT 3.1.1 has no way to tell the \
         broker. With MQTT 5.0 the broker is told.",
        size(packet_bytes as u64),
        size(u64::from(limit_bytes))
    )
}

fn quoted(filters: &[String]) -> String {
    let quoted: Vec<_> = filters.iter().map(|filter| format!("“{filter}”")).collect();
    quoted.join(", ")
}
