//! Commands for a shell: their exact text, and how a shell itself parses them.

use std::process::Command;

use mqtt_crawl::message_log::message::Message;
use mqtt_crawl::message_log::mosquitto_command::BrokerAccess;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

const COMMENT: &str =
    "# PORT is the broker's TCP port, often 1883. mosquitto 2.1 and later take --ws -p 8080 instead of -p PORT.\n";

fn broker_access() -> BrokerAccess {
    BrokerAccess {
        broker: "ws://station:8080/mqtt".to_owned(),
        version: Some(Version::V5),
        user_name: None,
        filters: vec!["StarWars".to_owned()],
        qos: QoS::AtLeastOnce,
    }
}

fn message<'a>(topic: &'a str, payload: &'a [u8], properties: &'a [u8]) -> Message<'a> {
    Message {
        seq: 1,
        time: Instant::EPOCH,
        topic,
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        properties,
        payload,
    }
}

#[test]
fn subscribe_command_has_the_filters_version_and_qos() {
    let check = |broker_access: BrokerAccess, expected: &str| assert_eq!(broker_access.subscribe(), expected);
    check(broker_access(), &format!("{COMMENT}mosquitto_sub -h station -p PORT -V mqttv5 -t StarWars -q 1 -v\n"));
    let filters = ["$SYS/#", "a b/+", "it's"].map(str::to_owned).to_vec();
    check(
        BrokerAccess { filters, version: Some(Version::V311), qos: QoS::ExactlyOnce, ..broker_access() },
        &format!(
            "{COMMENT}mosquitto_sub -h station -p PORT -V mqttv311 -t '$SYS/#' -t 'a b/+' -t 'it'\\''s' -q 2 -v\n"
        ),
    );
    let of_tls = COMMENT.replace("1883", "8883").replace("8080", "443");
    check(
        BrokerAccess { broker: "wss://[::1]/mqtt".to_owned(), user_name: Some("a $(b)".to_owned()), ..broker_access() },
        &format!(
            "{of_tls}# The password isn't copied: add it with -P.\nmosquitto_sub -h ::1 -p PORT --tls-use-os-certs \
             -V mqttv5 -u 'a $(b)' -t StarWars -q 1 -v\n"
        ),
    );
    let (without_ws, _) = COMMENT.split_once(" mosquitto").expect("two sentences");
    check(BrokerAccess::default(), &format!("{without_ws}\nmosquitto_sub -h HOST -p PORT -t TOPIC -q 0 -v\n"));
    // Its clients request no other path.
    for path in ["", "/", "/diffusion", "/mqtt?room=1"] {
        check(
            BrokerAccess { broker: format!("ws://station:8080{path}"), ..broker_access() },
            &format!("{without_ws}\nmosquitto_sub -h station -p PORT -V mqttv5 -t StarWars -q 1 -v\n"),
        );
    }
}

#[test]
fn publish_command_has_the_unchanged_message() {
    let check = |message: &Message<'_>, expected: &str| {
        assert_eq!(broker_access().publish(message), format!("{COMMENT}{expected}\n"));
    };
    let begin = "mosquitto_pub -h station -p PORT -V mqttv5";
    check(&message("a/b", b"127.0", &[]), &format!("{begin} -t a/b -q 0 -m 127.0"));
    check(&message("t", b"", &[]), &format!("{begin} -t t -q 0 -n"));
    let kept = Message { qos: QoS::ExactlyOnce, retain: true, ..message("t", b"two\nlines 'quoted'", &[]) };
    check(&kept, &format!("{begin} -t t -q 2 -r -m 'two\nlines '\\''quoted'\\'''"));
    for (payload, base64) in [(&b"\xff\0"[..], "/wA="), (b"a\0b", "YQBi"), (b"\x1b[201~ls", "G1syMDF+bHM=")] {
        check(&message("t", payload, &[]), &format!("printf %s '{base64}' | base64 -d | {begin} -t t -q 0 -s"));
    }
    // A topic may contain characters that a terminal interprets.
    check(&message("a\u{1b}", b"x", &[]), &format!("{begin} -t 'a'\"$(printf '\\033')\"'' -q 0 -m x"));
    let section = [
        &[0x01, 1, 0x02, 0, 0, 0, 60][..],
        &[0x03, 0, 4, b'a', b'/', b'b', b' '],
        &[0x08, 0, 1, b'r', 0x09, 0, 1, b'c', 0x0B, 5, 0x23, 0, 1],
        &[0x26, 0, 1, b'k', 0, 0],
    ]
    .concat();
    check(
        &message("t", b"x", &section),
        &format!(
            "{begin} -t t -q 0 -D publish payload-format-indicator 1 -D publish message-expiry-interval 60 \
             -D publish content-type 'a/b ' -D publish response-topic r -D publish correlation-data c \
             -D publish user-property k '' -m x"
        ),
    );
    check(
        &message("t", b"\xff", &[0x09, 0, 1, 0xFF]),
        &format!(
            "# The correlation data can't be written here: it isn't text. In Base64 it is /w==.\n\
             printf %s '/w==' | base64 -d | {begin} -t t -q 0 -s"
        ),
    );
    // The version of a message with properties is known, independent of the current one.
    let broker_access = BrokerAccess { version: Some(Version::V311), ..broker_access() };
    assert!(broker_access.publish(&message("t", b"x", &[0x01, 1])).contains("-V mqttv5"));
    assert!(broker_access.publish(&message("t", b"x", &[])).contains("-V mqttv311"));
}

#[test]
fn large_payload_uses_standard_input() {
    let payload = vec![b'x'; (64 << 10) + 1];
    assert!(broker_access().publish(&message("t", &payload, &[])).ends_with(" -s\n"));
    assert!(broker_access().publish(&message("t", &payload[1..], &[])).contains(" -m xxx"));
}

/// Returns a shell's result for the command: the arguments of mosquitto_pub, each on a line of its own in hex, and its
/// standard input.
fn run(command: &str) -> (Vec<Vec<u8>>, Vec<u8>) {
    let dump = "mosquitto_pub() { for word; do printf %s \"$word\" | od -An -v -tx1 | tr -d ' \\n'; echo; done; \
                [ \"$word\" = -s ] && { echo =; od -An -v -tx1 | tr -d ' \\n'; }; :; }\n";
    let output = Command::new("sh").arg("-c").arg(format!("{dump}{command}")).output().expect("a shell");
    assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("hex");
    let (arguments, input) = text.split_once("=\n").unwrap_or((&text, ""));
    (arguments.lines().map(bytes).collect(), bytes(input.trim()))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shell_parses_the_command_as_intended(
        topic in "[^\0]{1,12}",
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[ -~\n'\"$`\\\\]{0,30}".prop_map(String::into_bytes),
        ],
    ) {
        let (arguments, input) = run(&broker_access().publish(&message(&topic, &payload, &[])));
        prop_assert_eq!(&arguments[6..8], [b"-t".to_vec(), topic.into_bytes()]);
        let read = match arguments[10].as_slice() {
            b"-n" => Vec::new(),
            b"-s" => input,
            _ => arguments[11].clone(),
        };
        prop_assert_eq!(read, payload);
    }
}
