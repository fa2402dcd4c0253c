//! An export in slices: complete, ending where the log ended at its start, limited to the filter's matches, and never
//! more than a slice in memory.

use mqtt_crawl::engine::Engine;
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::message_log::csv::Dialect;
use mqtt_crawl::message_log::export::{ExportPart, ExportState, Format, SLICE_BYTES, Selection};
use mqtt_crawl::message_log::ndjson::OwnedMessage;
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::protocol::command::{PageCommand, PanelCommand, PanelsRequest};
use mqtt_crawl::time::Instant;

const NOW: Instant = Instant::from_millis(1_795_255_200_123);

fn message(seq: u64) -> OwnedMessage {
    OwnedMessage {
        seq,
        time: NOW,
        topic: if seq.is_multiple_of(2) { "even" } else { "odd" }.to_owned(),
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        properties: Vec::new(),
        payload: format!("{seq:090}").into_bytes(),
    }
}

/// Returns an engine that keeps this number of messages.
fn engine(messages: u64) -> Engine {
    let mut engine = Engine::new(1, Limits::default());
    append(&mut engine, 1, messages);
    engine
}

fn append(engine: &mut Engine, first: u64, last: u64) {
    for start in (first..=last).step_by(1_000) {
        let batch = (start..=last.min(start + 999)).map(message).collect();
        engine.handle_command(PanelCommand::Import(batch), NOW);
    }
}

fn filter(text: &str) -> PageCommand {
    PageCommand::Filter { text: text.to_owned(), ahead_of_utc_min: 0 }
}

/// Returns the answer to a pull of the panels.
fn part(engine: &mut Engine, exporting: &ExportState) -> ExportPart {
    let request = PanelsRequest { export: exporting.request(), ..PanelsRequest::default() };
    engine.handle_command(PanelCommand::Pull(request), NOW);
    engine.poll_panels().and_then(|update| update.export).expect("a slice, at once")
}

/// Runs a whole export; `between` runs after its first slice.
fn export(
    engine: &mut Engine,
    format: Format,
    selection: Selection,
    between: impl FnOnce(&mut Engine),
) -> (Vec<u8>, ExportState) {
    let mut exporting = ExportState::new(format, selection);
    let first = part(engine, &exporting);
    let mut file = exporting.take(first.clone()).expect("the requested part");
    between(engine);
    assert_eq!(exporting.take(first), None, "a repeated answer");
    while exporting.request().is_some() {
        let part = part(engine, &exporting);
        assert!(part.bytes.len() <= SLICE_BYTES + 1_000, "{} bytes", part.bytes.len());
        file.extend(exporting.take(part).expect("the requested part"));
    }
    (file, exporting)
}

fn lines(file: &[u8]) -> usize {
    file.iter().filter(|&&byte| byte == b'\n').count()
}

#[test]
fn export_is_complete_up_to_the_end_of_the_log_at_its_start() {
    let mut engine = engine(50_000);
    let (file, exporting) =
        export(&mut engine, Format::Ndjson, Selection::All, |engine| append(engine, 50_001, 50_100));
    let (expected, _) = export(&mut engine, Format::Ndjson, Selection::All, |_| ());
    assert_eq!((exporting.messages(), lines(&file), lines(&expected)), (50_000, 50_000, 50_100));
    assert!(expected.starts_with(&file));
}

const HEAD: &str = "\u{feff}time,seq,topic,qos,retain,dup,payload,encoding,size,properties\r\n";

#[test]
fn export_keeps_its_initial_filter() {
    let mut engine = engine(50_000);
    engine.handle_command(filter("topic:even"), NOW);
    let refilter = |engine: &mut Engine| engine.handle_command(filter("topic:odd"), NOW);
    let (file, exporting) = export(&mut engine, Format::Csv(Dialect::default()), Selection::Matching, refilter);
    assert_eq!((exporting.messages(), lines(&file)), (25_000, 25_001));
    let text = String::from_utf8(file).expect("UTF-8");
    assert!(text.starts_with(HEAD) && text.matches(HEAD).count() == 1);
    assert!(text.lines().skip(1).all(|line| line.contains(",\"even\",")));
    let (file, _) = export(&mut engine, Format::Csv(Dialect::default()), Selection::All, |_| ());
    assert_eq!(lines(&file), 50_001);
}

#[test]
fn empty_log_is_exported_as_a_file_without_messages() {
    for (format, expected) in [(Format::Ndjson, ""), (Format::Csv(Dialect::default()), HEAD)] {
        let (file, exporting) = export(&mut engine(0), format, Selection::All, |_| ());
        assert_eq!((file, exporting.messages()), (expected.as_bytes().to_vec(), 0));
    }
}

#[test]
fn messages_evicted_before_export_are_not_counted() {
    let mut engine = engine(50_000);
    let (file, exporting) =
        export(&mut engine, Format::Ndjson, Selection::All, |engine| engine.handle_command(PageCommand::Clear, NOW));
    assert_eq!(lines(&file) as u64, exporting.messages());
    assert!(exporting.messages() < 20_000, "{exporting:?}");
}

#[test]
fn export_of_a_million_messages_takes_one_slice_of_memory() {
    let mut engine = engine(1_000_000);
    for format in [Format::Ndjson, Format::Csv(Dialect::default())] {
        let mut exporting = ExportState::new(format, Selection::All);
        let mut written = 0;
        let memory = allocation_counter::measure(|| {
            while exporting.request().is_some() {
                let part = part(&mut engine, &exporting);
                // Written to the file, and dropped.
                written += exporting.take(part).map_or(0, |bytes| bytes.len());
            }
        });
        assert_eq!(exporting.messages(), 1_000_000);
        assert!(written > 150_000_000, "{format:?}: {written}");
        assert!(memory.bytes_max < 3 * SLICE_BYTES as u64, "{format:?}: {memory:?}");
    }
}
