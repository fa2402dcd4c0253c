//! What is shown of a script before it is sent, and the typed options for sending it.

use mqtt_crawl::dialogue::script::ColumnChoice;
use std::time::Duration;

use mqtt_crawl::mqtt::packet::{PublishProperties, QoS};
use mqtt_crawl::protocol::publish::PublishOutcome;
use mqtt_crawl::protocol::publish::PublishRequest;
use mqtt_crawl::protocol::transmission::{OutgoingMessage, TransmissionSlot};
use mqtt_crawl::protocol::transmission::{TransmissionState, TransmissionView};
use mqtt_crawl::transmit::encoding::PayloadFormat;
use mqtt_crawl::transmit::playlist::Repeat;
use mqtt_crawl::transmit::script_view::{Entry, LINES_MAX, Sheet, SheetReader};
use mqtt_crawl::ui::forms::transmission::{Field, PlanFields, RepeatFields, progress_text, repeat_text};

/// Reads a file in pieces of this number of bytes.
fn sheet(name: &str, file: &str, piece: usize) -> Sheet {
    let mut reader = SheetReader::new(name, ColumnChoice::default());
    file.as_bytes().chunks(piece).for_each(|bytes| reader.push(bytes));
    reader.finish()
}

fn view(state: TransmissionState) -> TransmissionView {
    TransmissionView {
        slot: TransmissionSlot::Script,
        state,
        line: 12,
        sent: 1_012,
        done: 1_010,
        failed: 0,
        first_failed: None,
        first: 0,
        statuses: Vec::new(),
        failures: Vec::new(),
    }
}

#[test]
fn script_view_shows_skipped_rows_in_place() {
    for piece in [1, 7, 1_000] {
        let sheet = sheet("talk.csv", "name,text\nADA,One\nBEN\n,Two\nCLEO,\n", piece);
        let shown: Vec<_> = sheet
            .entries()
            .iter()
            .map(|entry| match entry {
                Entry::Line(index, spoken) => format!("{index} {} {}", spoken.number, spoken.line.text),
                Entry::Error(fault) => format!("{}:{}", fault.line, fault.column),
            })
            .collect();
        assert_eq!(shown, ["0 2 One", "3:4", "1 4 Two", "5:6"]);
        assert_eq!((sheet.len(), sheet.entry_of(1), sheet.entry_of(2)), (2, Some(2), None));
        assert_eq!([0, 1, 2, 3, 4].map(|entry| sheet.line_at(entry)), [0, 1, 1, 2, 2]);
        assert!(sheet.description().starts_with("talk.csv: 2 of 4 rows read, 2 skipped. First: line 3, column 4: "));
    }
}

#[test]
fn script_is_summarised() {
    let check = |name: &str, file: &str, expected: &str| {
        let description = sheet(name, file, 100).description();
        assert!(
            description.contains(expected) && description.is_empty() == expected.is_empty(),
            "{description:?} should say {expected:?}"
        );
    };
    check("", "", "");
    check("empty.txt", "\n\n", "No usable lines in empty.txt.");
    check("one.txt", "PIP: Hello\n", "one.txt: 1 of 1 row read.");
    check("lamp.jsonl", "{\"text\":\"on\"}\n{\n", "lamp.jsonl: 1 of 2 rows read, 1 skipped. Error in line 2, column ");
    // The name determines the format.
    check(
        "rows.csv",
        "a: b\n",
        "Couldn't read rows.csv. No text column found. The first row has to name the columns, such as character,text",
    );
    check("cells.csv", "text\n", "The first row names the columns, such as character,text.");
    check("talk.txt", "\n**PIP:** One\n(a door)\n", "talk.txt: 1 of 1 row read. Not spoken: 1 direction.");
    let many = sheet("many.txt", &"x\n".repeat(LINES_MAX + 3), 1 << 20);
    assert_eq!(many.len(), LINES_MAX);
    assert!(many.description().ends_with(" 3 lines skipped (maximum 200,000)."), "{}", many.description());
}

#[test]
fn plan_matches_the_producer_and_is_sliced() {
    let plan = PlanFields::default().parse().expect("a plan");
    let manner = plan.manner(3);
    assert_eq!((manner.interval_us, manner.first, manner.repeat), (1_000_000, 3, Repeat::ONCE));
    let script = sheet("many.txt", &"PIP: Hello\n".repeat(2_500), 100_000);
    let fields =
        PlanFields { topic: "say/{speaker}/{line}".to_owned(), payload: PayloadFormat::Text, ..PlanFields::default() };
    let plan = fields.parse().expect("a plan");
    let (mut cues, mut next, mut slices) = (Vec::new(), Some(0), Vec::new());
    while let Some(from) = next {
        let (slice, then) = plan.slice(&script, from);
        slices.push(slice.len());
        cues.extend(slice);
        next = then;
    }
    assert_eq!(slices, [1_000, 1_000, 500]);
    assert_eq!(cues[2_499], OutgoingMessage { topic: "say/PIP/2500".to_owned(), payload: b"PIP: Hello".to_vec() });
    // Long lines are processed in small slices.
    let script = sheet("long.txt", &format!("{}\n", "x".repeat(200 << 10)).repeat(5), 1 << 20);
    assert_eq!(plan.slice(&script, 0).1, Some(2));
    assert_eq!(plan.slice(&Sheet::default(), 0), (Vec::new(), None));
}

#[test]
fn plan_errors_are_reported_by_field() {
    let check = |topic: &str, interval: &str, expected: &[(Field, &str)]| {
        let fields = PlanFields { topic: topic.to_owned(), interval: interval.to_owned(), ..PlanFields::default() };
        let faults = fields.parse().err().unwrap_or_default();
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, (field, expected)) in faults.iter().zip(expected) {
            assert!(fault.field == *field && fault.message.contains(expected), "{fault:?} should say {expected:?}");
        }
    };
    check("a/{speaker}", " 0s ", &[]);
    check("", "1s", &[(Field::Topic, "Enter a topic.")]);
    check("a/#", "1", &[(Field::Topic, "can't contain + or #"), (Field::Interval, "Add a unit, e.g. 1s.")]);
    check("a", "soon", &[(Field::Interval, "Enter a number and ms, s, m or h, e.g. 500ms or 1.5s.")]);
    check("a", "25h", &[(Field::Interval, "Maximum 24h.")]);
}

#[test]
fn repeat_form_is_parsed() {
    let message = || PublishRequest {
        topic: "t".to_owned(),
        payload: b"x".to_vec(),
        qos: QoS::ExactlyOnce,
        retain: true,
        properties: PublishProperties { content_type: Some("text/x".to_owned()), ..PublishProperties::default() },
    };
    let parse = |interval: &str, times: &str| {
        RepeatFields { interval: interval.to_owned(), times: times.to_owned() }.parse(message())
    };
    let (manner, cue) = parse("1.5s", "3").expect("a repetition");
    assert_eq!((manner.interval_us, manner.repeat), (1_500_000, Repeat::Rounds(3)));
    assert_eq!((manner.qos, manner.retain), (QoS::ExactlyOnce, true));
    assert_eq!((manner.properties, cue.topic.as_str()), (message().properties, "t"));
    assert_eq!(parse("10ms", "").map(|(manner, _)| manner.repeat), Ok(Repeat::UntilStopped));
    for (interval, times, expected) in
        [("9ms", "", "Minimum 10 ms"), ("1s", "0", "number from 1 to 1000000"), ("", "", "Enter a number")]
    {
        let faults = parse(interval, times).expect_err(expected);
        assert!(faults[0].message.contains(expected), "{faults:?}");
    }
}

#[test]
fn progress_is_described() {
    let plan = PlanFields { interval: "1.5s".to_owned(), ..PlanFields::default() }.parse().expect("a plan");
    let check = |view: &TransmissionView, repeat: Repeat, expected: &str| {
        assert_eq!(progress_text(view, 120, Some(&plan), repeat), expected);
    };
    let counts = "1,012 sent, 1,010 acknowledged";
    check(&view(TransmissionState::Playing), Repeat::ONCE, &format!("Line 12 of 120 · {counts} · 2:42 left"));
    check(&view(TransmissionState::Playing), Repeat::UntilStopped, &format!("Line 12 of 120 · {counts}"));
    check(&view(TransmissionState::Paused), Repeat::UntilStopped, &format!("Line 12 of 120, paused · {counts}"));
    check(&view(TransmissionState::Stopped), Repeat::ONCE, &format!("Stopped at line 12 of 120 · {counts}"));
    let failed = TransmissionView {
        failed: 2,
        failures: vec![PublishOutcome::Failed("rejected by the broker: x".to_owned())],
        ..view(TransmissionState::Over)
    };
    check(&failed, Repeat::ONCE, &format!("Finished · {counts}, 2 failed"));
    assert_eq!(
        repeat_text(&failed),
        format!("Repeat finished: {counts}, 2 failed. Last failure: rejected by the broker: x.")
    );
    let day = PlanFields { interval: "24h".to_owned(), ..PlanFields::default() }.parse().expect("a plan");
    assert_eq!(day.length(120), Duration::from_secs(119 * 86_400));
    assert!(
        progress_text(&view(TransmissionState::Playing), 120, Some(&day), Repeat::ONCE).ends_with("2592:00:00 left")
    );
}
