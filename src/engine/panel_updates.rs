//! What the panels look at, and whether there is anything new to see.

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

/// Speakers are looked for in so many of the newest messages: a few
/// milliseconds of work …
const SPEAKERS_WITHIN: usize = 512;

/// … of which none is longer than this, in bytes.
const SPOKEN_BYTES_MAX: usize = 4_096;
/// How many messages the panels are shown as samples …
const SAMPLES: usize = 5;

/// … of one topic at most so many, and …
const SAMPLES_OF_TOPIC: usize = 2;

/// … with payloads of so many bytes at most: all of it has to be there.
const SAMPLE_BYTES_MAX: usize = 16 << 10;

/// So many of the newest messages are looked at for them: a few milliseconds.
const SAMPLES_AMONG: usize = 20_000;

/// A look at something, and what there was to see.
#[derive(Clone, Debug)]
pub(super) struct LastPanelsRequest {
    glance: PanelsRequest,
    at: Instant,
    /// [`Topics::changes`](crate::topics::Topics::changes) by then.
    changes: u64,
    /// It told of rates, which fall while nothing comes.
    is_moving: bool,
}

impl LastPanelsRequest {
    /// The message that is wanted, or the rest of it.
    pub(super) fn message(&self) -> Option<MessageRequest> {
        self.glance.message
    }

    /// Whether the list of subscriptions is shown.
    pub(super) fn shows_subscriptions(&self) -> bool {
        self.glance.subscriptions
    }

    /// The next slice of an export, if one is under way.
    pub(super) fn export(&self) -> Option<ExportRequest> {
        self.glance.export
    }

    /// The lines of a script that are shown.
    pub(super) fn script(&self) -> LineRange {
        self.glance.script
    }

    /// What is being typed into the filter.
    pub(super) fn ask(&self) -> Option<&SuggestionQuery> {
        self.glance.ask.as_ref()
    }
}

impl Engine {
    /// The panels have drawn their last update and look at this now.
    pub(super) fn glance(&mut self, glance: PanelsRequest, now: Instant) {
        // Another filter may be typed before the export has come to its end.
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

    /// The tree of topics, if it is open and there is something new in it.
    pub(super) fn topics_news(&self, glimpse: &LastPanelsRequest) -> Option<TopicsView> {
        let wanted = glimpse.glance.topics.as_ref()?;
        let is_known = self.topics_told.as_ref().is_some_and(|told| {
            told.glance.topics.as_ref() == Some(wanted)
                && told.changes == self.topics.changes()
                && !(told.is_moving && told.at < glimpse.at)
        });
        (!is_known).then(|| self.topics.view(wanted, &self.log, glimpse.at))
    }

    /// A message that the panels asked for, or the next part of it.
    pub(super) fn message_part(&self, glance: MessageRequest) -> MessagePart {
        MessagePart { reach: self.reach(), ..row_builder::part_of(&self.log, glance) }
    }

    /// The slice of an export that the panels asked for.
    pub(super) fn export_part(&self, glance: ExportRequest) -> ExportPart {
        export::part_of(&self.log, &self.exported, glance)
    }

    /// What is known of what is being typed: of all topics, or of those who
    /// spoke last.
    pub(super) fn known(&self, ask: &SuggestionQuery) -> SuggestionData {
        let names = match ask {
            SuggestionQuery::Topics(part) => suggest::pick(&mut self.topics.names(), part),
            SuggestionQuery::Speakers(part) => {
                let messages = self.log.iter_back_from(u64::MAX).take(SPEAKERS_WITHIN);
                let spoken = messages.filter(|message| message.payload.len() <= SPOKEN_BYTES_MAX);
                // Topics that speak by themselves are suggested as topics.
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

    /// How to get at the broker from elsewhere, as far as it was told here.
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

    /// The packets that went since the panels were last told, if they look.
    pub(super) fn trace_news(&self, glimpse: &LastPanelsRequest) -> Option<TracePart> {
        let from = glimpse.glance.trace_from?;
        self.trace.has(from).then(|| self.trace.part(from))
    }

    /// The numbers of the log, if they are shown and others than they were.
    pub(super) fn stats_news(&self, glimpse: &LastPanelsRequest) -> Option<Stats> {
        // Asked after every frame of the socket: bytes are added up only for
        // what is told.
        let now = (self.log.received(), self.log.evicted(), self.log.cleared());
        let is_known = self.stats_told.is_some_and(|told| (told.received, told.evicted, told.cleared) == now);
        (glimpse.glance.stats && !is_known).then(|| self.stats())
    }

    /// The newest messages that a filter matches, if they are shown and there may
    /// be others.
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

    /// The panels were answered with this.
    pub(super) fn mark_sent(&mut self, update: &PanelsUpdate) {
        let Some(glimpse) = self.panels_pull.take() else { return };
        // They forget what they don't show.
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
