//! Suggestions for the text being typed into the filter: names of all topics, or of the latest speakers.

use crate::dialogue::topic_speaker;
use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::message_log::message::Message;
use crate::message_log::query::suggest;
use crate::message_log::query::suggest::{SuggestionData, SuggestionQuery};
use crate::protocol::update::PanelsUpdate;

/// Speakers are searched in this number of the newest messages: a few milliseconds of work.
const SPEAKERS_WITHIN: usize = 512;

/// Longer payloads are skipped in the search for speakers, in bytes.
const SPOKEN_BYTES_MAX: usize = 4_096;

/// Requests of suggestions are answered at once.
#[derive(Debug, Default)]
pub(super) struct SuggestionsState;

impl PanelState for SuggestionsState {
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        let Some(query) = &request.shown.suggestions else { return false };
        let names = match query {
            SuggestionQuery::Topics(part) => suggest::pick(&mut sources.messages.topics.names(), part),
            SuggestionQuery::Speakers(part) => {
                let messages = sources.messages.log.iter_back_from(u64::MAX).take(SPEAKERS_WITHIN);
                let spoken = messages.filter(|message| message.payload.len() <= SPOKEN_BYTES_MAX);
                // Topics that are their own speaker are suggested as topics.
                let speaker = |message: Message<'_>| {
                    let line = sources.filter.line_rules().line(message.topic, message.payload)?;
                    (line.character != topic_speaker(message.topic)).then_some(line.character)
                };
                let speakers: Vec<_> = spoken.filter_map(speaker).collect();
                suggest::pick(&mut speakers.iter().map(String::as_str), part)
            }
        };
        update.suggestions = Some(SuggestionData { ask: query.clone(), names });
        true
    }
}
