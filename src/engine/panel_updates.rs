//! What the panels show, and whether it has changed.

use crate::credentials;
use crate::dialogue::topic_speaker;
use crate::engine::{Engine, row_builder};
use crate::message_log::Message;
use crate::message_log::export;
use crate::message_log::export::{ExportPart, ExportRequest, Selection};
use crate::message_log::mosquitto_command::BrokerAccess;
use crate::message_log::query::Query;
use crate::message_log::query::suggest;
use crate::message_log::query::suggest::{SuggestionData, SuggestionQuery};
use crate::mqtt::packet::QoS;
use crate::packet_trace::TracePart;
use crate::protocol::command::PanelsRequest;
use crate::protocol::message::MessagePart;
use crate::protocol::message::MessageRequest;
use crate::protocol::topics::TopicsView;
use crate::protocol::transmission::LineRange;
use crate::protocol::update::{PanelsUpdate, Sample, Stats};
use crate::time::Instant;

/// Speakers are searched in this number of the newest messages: a few milliseconds of work.
const SPEAKERS_WITHIN: usize = 512;

/// Longer payloads are skipped in the search for speakers, in bytes.
const SPOKEN_BYTES_MAX: usize = 4_096;
/// Maximum number of samples.
const SAMPLES: usize = 5;

/// Maximum number of samples of one topic.
const SAMPLES_OF_TOPIC: usize = 2;

/// Maximum payload of a sample, in bytes; samples are sent whole.
const SAMPLE_BYTES_MAX: usize = 16 << 10;

/// The number of the newest messages that are searched for samples: a few milliseconds of work.
const SAMPLES_AMONG: usize = 20_000;

/// A request of the panels, and what they received.
#[derive(Clone, Debug)]
pub(super) struct LastPanelsRequest {
    glance: PanelsRequest,
    at: Instant,
    /// [`Topics::changes`](crate::topics::Topics::changes) at that time.
    changes: u64,
    /// Rates were sent, which fall while no messages arrive.
    is_moving: bool,
}

impl LastPanelsRequest {
    /// The message to send, or the rest of it.
    pub(super) fn message(&self) -> Option<MessageRequest> {
        self.glance.message
    }

    /// Whether the list of subscriptions is shown.
    pub(super) fn shows_subscriptions(&self) -> bool {
        self.glance.subscriptions
    }

    /// The next slice of an export, if one is in progress.
    pub(super) fn export(&self) -> Option<ExportRequest> {
        self.glance.export
    }

    /// The lines of a script that are shown.
    pub(super) fn script(&self) -> LineRange {
        self.glance.script
    }

    /// The text being typed into the filter.
    pub(super) fn ask(&self) -> Option<&SuggestionQuery> {
        self.glance.ask.as_ref()
    }
}

impl Engine {
    /// The panels have drawn their last update and request the next one.
    pub(super) fn glance(&mut self, glance: PanelsRequest, now: Instant) {
        // The export keeps its filter, because the person may enter another one before it ends.
        match glance.export {
            Some(ExportRequest { from_seq: 0, selection: Selection::Matching, .. }) => {
                self.exported = self.matches.query().clone();
            }
            Some(ExportRequest { from_seq: 0, .. }) => self.exported = Query::default(),
            _ => {}
        }
        if glance.samples.is_none() {
            self.samples_told = None;
        }
        self.panels_pull = Some(LastPanelsRequest { glance, at: self.wall(now), changes: 0, is_moving: false });
    }

    /// The tree of topics, if it is open and has changed.
    pub(super) fn topics_news(&self, glimpse: &LastPanelsRequest) -> Option<TopicsView> {
        let wanted = glimpse.glance.topics.as_ref()?;
        let is_known = self.topics_told.as_ref().is_some_and(|told| {
            told.glance.topics.as_ref() == Some(wanted)
                && told.changes == self.topics.changes()
                && !(told.is_moving && told.at < glimpse.at)
        });
        (!is_known).then(|| self.topics.view(wanted, &self.log, glimpse.at))
    }

    /// The message that the panels requested, or the next part of it.
    pub(super) fn message_part(&self, glance: MessageRequest) -> MessagePart {
        MessagePart { reach: self.reach(), ..row_builder::part_of(&self.log, glance) }
    }

    /// The slice of an export that the panels requested.
    pub(super) fn export_part(&self, glance: ExportRequest) -> ExportPart {
        export::part_of(&self.log, &self.exported, glance)
    }

    /// Suggestions for the text being typed: names of all topics, or of the latest speakers.
    pub(super) fn known(&self, ask: &SuggestionQuery) -> SuggestionData {
        let names = match ask {
            SuggestionQuery::Topics(part) => suggest::pick(&mut self.topics.names(), part),
            SuggestionQuery::Speakers(part) => {
                let messages = self.log.iter_back_from(u64::MAX).take(SPEAKERS_WITHIN);
                let spoken = messages.filter(|message| message.payload.len() <= SPOKEN_BYTES_MAX);
                // Topics that are their own speaker are suggested as topics.
                let speaker = |message: Message<'_>| {
                    let line = self.mapping.line(message.topic, message.payload)?;
                    (line.character != topic_speaker(message.topic)).then_some(line.character)
                };
                let speakers: Vec<_> = spoken.filter_map(speaker).collect();
                suggest::pick(&mut speakers.iter().map(String::as_str), part)
            }
        };
        SuggestionData { ask: ask.clone(), names }
    }

    /// How other clients can connect to the broker, as far as this page knows it.
    fn reach(&self) -> BrokerAccess {
        let request = self.request.as_ref();
        BrokerAccess {
            broker: self.shown_broker(),
            version: self.connection.version.or(request.and_then(|request| request.version)),
            user_name: request.and_then(|request| request.user_name.as_deref()).map(credentials::redact_user_name),
            filters: self.connection.subscriptions.iter().map(|asked| asked.filter.clone()).collect(),
            qos: request.map_or(QoS::AtMostOnce, |request| request.qos),
        }
    }

    /// The packets since the panels' last update, if they show the trace.
    pub(super) fn trace_news(&self, glimpse: &LastPanelsRequest) -> Option<TracePart> {
        let from = glimpse.glance.trace_from?;
        self.trace.has(from).then(|| self.trace.part(from))
    }

    /// The numbers of the log, if they are shown and have changed.
    pub(super) fn stats_news(&self, glimpse: &LastPanelsRequest) -> Option<Stats> {
        // This runs after every frame of the socket, so bytes are added up only if the result is sent.
        let now = (self.log.received(), self.log.evicted(), self.log.cleared());
        let is_known = self.stats_told.is_some_and(|told| (told.received, told.evicted, told.cleared) == now);
        (glimpse.glance.stats && !is_known).then(|| self.stats())
    }

    /// The newest messages that a filter matches, if they are shown and may have changed.
    pub(super) fn samples_news(&self, glimpse: &LastPanelsRequest) -> Option<Vec<Sample>> {
        let filter = glimpse.glance.samples.as_ref()?;
        let is_known = self.samples_told.as_ref().is_some_and(|(told, next_seq, kept)| {
            (told, *next_seq, *kept) == (filter, self.log.next_seq(), self.log.kept())
        });
        if is_known {
            return None;
        }
        let mut samples: Vec<Sample> = Vec::new();
        for message in self.log.iter_back_from(self.log.next_seq()).take(SAMPLES_AMONG) {
            let of_topic = samples.iter().filter(|sample| sample.topic == message.topic).count();
            let is_one = of_topic < SAMPLES_OF_TOPIC
                && message.payload.len() <= SAMPLE_BYTES_MAX
                && filter.matches(message.topic);
            if is_one {
                samples.push(Sample { topic: message.topic.to_owned(), payload: message.payload.to_vec() });
            }
            if samples.len() == SAMPLES {
                break;
            }
        }
        Some(samples)
    }

    /// Records what the panels received.
    pub(super) fn mark_sent(&mut self, update: &PanelsUpdate) {
        let Some(glimpse) = self.panels_pull.take() else { return };
        // Parts that the panels don't show are forgotten on their side.
        self.stats_told = update.stats.or(self.stats_told).filter(|_| glimpse.glance.stats);
        if !glimpse.glance.subscriptions {
            self.subscriptions_told = None;
        } else if update.subscriptions.is_some() {
            self.subscriptions_told.clone_from(&update.subscriptions);
            self.subscriptions_counted = self.topics.changes();
        }
        if let Some(filter) = glimpse.glance.samples.as_ref().filter(|_| update.samples.is_some()) {
            self.samples_told = Some((filter.clone(), self.log.next_seq(), self.log.kept()));
        }
        match &update.topics {
            Some(view) => {
                let changes = self.topics.changes();
                self.topics_told = Some(LastPanelsRequest { changes, is_moving: view.is_moving, ..glimpse });
            }
            None if glimpse.glance.topics.is_none() => self.topics_told = None,
            None => {}
        }
    }
}
