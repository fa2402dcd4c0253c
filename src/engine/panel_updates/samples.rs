//! The newest messages that a filter matches, as samples for the line rules.

use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::message_log::MessageLog;
use crate::mqtt::topic::TopicFilter;
use crate::protocol::command::PanelsRequest;
use crate::protocol::update::{PanelsUpdate, Sample};

/// Maximum number of samples.
const SAMPLES: usize = 5;

/// Maximum number of samples of one topic.
const SAMPLES_OF_TOPIC: usize = 2;

/// Maximum payload of a sample, in bytes; samples are sent whole.
const SAMPLE_BYTES_MAX: usize = 16 << 10;

/// The number of the newest messages that are searched for samples: a few milliseconds of work.
const SAMPLES_AMONG: usize = 20_000;

/// The samples that the panels have: their filter, and the log's next number and message count at that time.
#[derive(Debug, Default)]
pub(super) struct SamplesState(Option<(TopicFilter, u64, u64)>);

impl PanelState for SamplesState {
    fn handle_request(&mut self, request: &PanelsRequest, _sources: &PanelSources<'_>) {
        if request.samples.is_none() {
            self.0 = None;
        }
    }

    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        let Some(filter) = &request.shown.samples else { return false };
        let log = &sources.messages.log;
        let is_sent = self
            .0
            .as_ref()
            .is_some_and(|(sent, next_seq, kept)| (sent, *next_seq, *kept) == (filter, log.next_seq(), log.kept()));
        if is_sent {
            return false;
        }
        self.0 = Some((filter.clone(), log.next_seq(), log.kept()));
        update.samples = Some(samples(log, filter));
        true
    }
}

fn samples(log: &MessageLog, filter: &TopicFilter) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    for message in log.iter_back_from(log.next_seq()).take(SAMPLES_AMONG) {
        let of_topic = samples.iter().filter(|sample| sample.topic == message.topic).count();
        let is_sample =
            of_topic < SAMPLES_OF_TOPIC && message.payload.len() <= SAMPLE_BYTES_MAX && filter.matches(message.topic);
        if is_sample {
            samples.push(Sample { topic: message.topic.to_owned(), payload: message.payload.to_vec() });
        }
        if samples.len() == SAMPLES {
            break;
        }
    }
    samples
}
