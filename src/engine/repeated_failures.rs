//! Failures that repeat in the same way, as text: what the broker ends connections for, requests it doesn't answer, and
//! deviations that are tolerated.

use crate::format::{grouped, size};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::{Failure, Stage};
use crate::mqtt::failure_history::{ANSWER_TIMEOUT, ONE_AT_A_TIME, RECURRENT};
use crate::mqtt::session::event::{Recurrence, Suspect};

use crate::protocol::connection::Advice;

/// A payload above this is more likely too large than forbidden: it is the smallest limit configured in practice.
const SUSPECT_PAYLOAD_BYTES: usize = 1_024;

/// What a failure has in common with earlier ones; `None` if nothing.
pub(super) fn describe(failure: &Failure, recurrence: &Recurrence) -> Option<String> {
    let Recurrence { times, suspect } = recurrence;
    let is_recurrent = *times >= RECURRENT;
    Some(match suspect {
        _ if *times < ONE_AT_A_TIME => return None,
        Some(Suspect::Subscribe(filters)) => {
            let next = match filters.len() {
                1 if is_recurrent => "The filter is skipped until you connect again.",
                1 => "Retrying once more.",
                _ => "Retrying them one by one.",
            };
            format!("The broker closes the connection on each subscription to {}. {next}", quoted(filters))
        }
        Some(Suspect::Unsubscribe(filter)) => {
            let next = if is_recurrent { "Giving up." } else { "Retrying once more." };
            format!("The broker closes the connection on each attempt to unsubscribe from “{filter}”. {next}")
        }
        Some(Suspect::Message { topic, payload_bytes, must_be_resent, .. }) => {
            let next = match (is_recurrent, must_be_resent) {
                (true, true) => {
                    "The broker has stored the session, so the message must be sent again, unless you drop it or end \
                     the session."
                }
                (true, false) => "The message was dropped.",
                (false, _) => "Sending it once more.",
            };
            let size = grouped(*payload_bytes as u64);
            format!(
                "The broker closes the connection each time the message to “{topic}” ({size} bytes) is sent. {next}"
            )
        }
        Some(Suspect::Qos0Message { topic, .. }) if is_recurrent => {
            format!("The broker closes the connection each time a message to “{topic}” is sent.")
        }
        None if is_recurrent && matches!(failure, Failure::Violation(_)) => {
            format!("This happened {times} times, so it won't be retried automatically.")
        }
        None if is_recurrent => format!("This happened {times} times in the same way, so retries are less frequent."),
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
        Some(Suspect::Subscribe(_) | Suspect::Unsubscribe(_)) => vec![Advice::new(
            "Some brokers close the connection on a topic filter that isn't allowed or supported. Ask the broker's \
             administrator, or choose a narrower filter.",
        )],
        None if recurrence.times >= RECURRENT && is_sudden(failure) => vec![
            Advice::new(format!(
                "Another client may use the client ID “{client_id}” too; the two keep disconnecting each other. Use a \
                 different client ID in each."
            )),
            Advice::new("A proxy or firewall may be closing connections. Check its timeouts."),
        ],
        None => Vec::new(),
    }
}

/// Whether the broker ended an accepted connection without a reason.
fn is_sudden(failure: &Failure) -> bool {
    matches!(failure, Failure::Closed { stage: Stage::Connected, .. })
}

fn about_message(topic: &str, payload_bytes: usize) -> Vec<Advice> {
    let too_large = Advice::new(format!(
        "The message may be too large for the broker: its payload has {} bytes. Check the broker's limit \
         (max_packet_size in Mosquitto).",
        grouped(payload_bytes as u64)
    ));
    let forbidden = Advice::new(if topic.chars().any(char::is_control) {
        format!("The topic “{}” contains a control character, which some brokers don't accept.", topic.escape_debug())
    } else {
        format!("You may not be allowed to publish to “{topic}”. Ask the broker's administrator.")
    });
    match payload_bytes > SUSPECT_PAYLOAD_BYTES {
        true => vec![too_large, forbidden],
        false => vec![forbidden, too_large],
    }
}

/// Why a message was dropped; follows "failed: ".
pub(super) fn given_up(payload_bytes: usize) -> String {
    let cause = match payload_bytes > SUSPECT_PAYLOAD_BYTES {
        true => "it may be too large for the broker, or the topic may be forbidden",
        false => "the topic may be forbidden, or it may be too large for the broker",
    };
    let size = grouped(payload_bytes as u64);
    format!("the broker closed the connection all {RECURRENT} times it was sent ({size} bytes): {cause}")
}

/// The text for a request without an answer.
pub(super) fn unanswered(suspect: &Suspect) -> String {
    let request = match suspect {
        Suspect::Subscribe(filters) => format!("the subscription to {}", quoted(filters)),
        Suspect::Unsubscribe(filter) => format!("the unsubscription from “{filter}”"),
        Suspect::Message { topic, .. } | Suspect::Qos0Message { topic, .. } => format!("the message to “{topic}”"),
    };
    format!("The broker hasn't acknowledged {request} for {} s. The connection remains open.", ANSWER_TIMEOUT.as_secs())
}

/// The text for a violation by the broker that is tolerated.
pub(super) fn tolerated(deviation: Deviation, topic: Option<&str>) -> String {
    let topic = topic.map_or_else(String::new, |topic| format!(" The topic is “{topic}”."));
    format!("{} {}{topic} The connection remains open.", deviation.message(), deviation.rule())
}

/// The text for a message of 3.1.1 that was too large.
pub(super) fn skipped(topic: &str, packet_bytes: usize, limit_bytes: u32) -> String {
    format!(
        "A message of {} on “{topic}” was skipped because it exceeds this app's limit of {}. Only MQTT 5.0 lets a \
         client announce its limit to the broker.",
        size(packet_bytes as u64),
        size(u64::from(limit_bytes))
    )
}

fn quoted(filters: &[String]) -> String {
    let quoted: Vec<_> = filters.iter().map(|filter| format!("“{filter}”")).collect();
    quoted.join(", ")
}
