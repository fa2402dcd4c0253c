//! The export of a whole log, as the panels request it.

use mqtt_crawl::engine::Engine;
use mqtt_crawl::message_log::export::{ExportState, Format, Selection};
use mqtt_crawl::protocol::command::{PanelCommand, PanelsRequest};
use mqtt_crawl::time::Instant;

/// Returns all kept messages as NDJSON.
pub fn ndjson(engine: &mut Engine, now: Instant) -> Vec<u8> {
    let mut export = ExportState::new(Format::Ndjson, Selection::All);
    let mut file = Vec::new();
    while let Some(request) = export.request() {
        engine.handle_command(
            PanelCommand::Pull(PanelsRequest { export: Some(request), ..PanelsRequest::default() }),
            now,
        );
        let part = engine.poll_panels().and_then(|update| update.export).expect("a requested slice is sent at once");
        file.extend(export.take(part).expect("the requested slice"));
    }
    file
}
