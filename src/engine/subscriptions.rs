//! Subscriptions that are added, changed and removed while connected, or while reconnecting.
//!
//! # Invariants
//!
//! - The list is what the next connection requests. A subscription that is being removed stays in it until the broker
//!   answers.
//! - A subscription keeps its colour as long as it is in the list. The rows of its messages have it, too.
//! - Options chosen for a single filter also apply to later connections, until the person chooses other options for
//!   all.

use crate::engine::message_counts::MessageCounts;
use crate::mqtt::packet::{QoS, ReasonCode, SubscriptionOptions};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::connection::{ConnectRequest, ConnectionOptions};
use crate::protocol::subscription::SubscribeRequest;
use crate::protocol::subscription::{Subscription, SubscriptionStatus, SubscriptionsView};
use crate::topics::Topics;

/// The options of every filter.
type DefaultOptions = (SubscriptionOptions, Option<u32>);

/// The subscriptions of this connection.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    list: Vec<Subscription>,
    options: SubscriptionOptionsByFilter,
    /// Filters that are no longer requested, because the broker ends the connection each time.
    abandoned: Vec<String>,
    /// The result of the last change, as text.
    answer: Option<String>,
}

/// The options of single filters.
#[derive(Debug, Default)]
struct SubscriptionOptionsByFilter {
    /// The general options that they override.
    general: DefaultOptions,
    single: Vec<SubscribeRequest>,
}

impl SubscriptionOptionsByFilter {
    /// Sets the options of all filters, as chosen in a form; they may be unchanged.
    fn set_general(&mut self, request: &ConnectRequest, options: &ConnectionOptions) {
        let general = SubscriptionOptions {
            qos: request.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: options.retain_handling,
        };
        let general = (general, options.subscription_identifier);
        if self.general != general {
            *self = Self { general, single: Vec::new() };
        }
    }

    fn request_for(&self, filter: &str) -> SubscribeRequest {
        let single = self.single.iter().find(|single| single.filter == filter);
        let (options, identifier) = self.general;
        single.cloned().unwrap_or_else(|| SubscribeRequest { filter: filter.to_owned(), options, identifier })
    }

    fn choose(&mut self, request: SubscribeRequest) {
        self.forget(&request.filter);
        self.single.push(request);
    }

    fn forget(&mut self, filter: &str) {
        self.single.retain(|single| single.filter != filter);
    }
}

impl Subscriptions {
    /// The subscriptions and the broker's answers to them.
    pub(super) fn list(&self) -> &[Subscription] {
        &self.list
    }

    /// The request for this filter.
    pub(super) fn request_for(&self, filter: &str) -> SubscribeRequest {
        self.options.request_for(filter)
    }

    /// Another connection, or none, is shown: the list is empty.
    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// A connection to another broker begins.
    pub(super) fn begin(&mut self, request: &ConnectRequest, options: &ConnectionOptions) {
        self.abandoned.clear();
        self.answer = None;
        self.options.set_general(request, options);
    }

    /// Chooses the options of a single filter.
    pub(super) fn choose(&mut self, request: &SubscribeRequest, is_connected: bool) {
        self.options.choose(request.clone());
        self.answer = Some(match is_connected {
            true => format!("Subscribing to “{}”…", request.filter),
            false => format!("“{}” will be subscribed to on the next connection.", request.filter),
        });
    }

    /// Sets the result of a change that failed at once.
    pub(super) fn set_answer(&mut self, text: String) {
        self.answer = Some(text);
    }

    /// Adds a subscription, or requests an existing one again.
    pub(super) fn add(
        &mut self,
        filter: &TopicFilter,
        identifier: Option<u32>,
        counts: &mut MessageCounts,
        topics: &Topics,
    ) {
        let list = &mut self.list;
        match list.iter_mut().find(|subscription| subscription.filter == filter.as_str()) {
            Some(known) => known.granted = SubscriptionStatus::Asked,
            None => {
                let is_listed = |filter: &str| list.iter().any(|subscription| subscription.filter == filter);
                counts.begin(filter.clone(), topics, is_listed);
                let colour = free_colour(list);
                let filter = filter.as_str().to_owned();
                list.push(Subscription { filter, granted: SubscriptionStatus::Asked, colour });
            }
        }
        self.abandoned.retain(|abandoned| abandoned != filter.as_str());
        counts.use_identifier(filter.as_str(), identifier);
    }

    /// Removes a subscription, or marks it as ending while the broker can answer. Returns its filter, if it was in the
    /// list.
    pub(super) fn remove(&mut self, filter: &str, is_connected: bool) -> Option<TopicFilter> {
        self.options.forget(filter);
        let known = self.list.iter_mut().find(|subscription| subscription.filter == filter)?;
        let parsed = TopicFilter::parse(filter).ok()?;
        if is_connected {
            known.granted = SubscriptionStatus::Ending;
            self.answer = Some(format!("Unsubscribing from “{filter}”…"));
        } else {
            self.list.retain(|subscription| subscription.filter != filter);
            self.answer = Some(format!("Removed “{filter}”."));
        }
        Some(parsed)
    }

    /// Handles the broker's answer to a subscription.
    pub(super) fn subscribed(&mut self, filter: &str, granted: Result<QoS, ReasonCode>) {
        let Some(entry) = self.list.iter_mut().find(|subscription| subscription.filter == filter) else { return };
        // The answer crossed the request to end it.
        if entry.granted == SubscriptionStatus::Ending {
            return;
        }
        let requested = self.options.request_for(filter).options.qos;
        entry.granted = match granted {
            Ok(qos) => SubscriptionStatus::QoS(qos),
            Err(reason) => SubscriptionStatus::Refused(reason.to_string()),
        };
        self.answer = Some(match granted {
            Ok(qos) if qos < requested => {
                format!("Subscribed to “{filter}” (QoS {qos}, requested {requested}).")
            }
            Ok(qos) => format!("Subscribed to “{filter}” (QoS {qos})."),
            Err(reason) => format!("The broker rejected “{filter}”: {reason}."),
        });
    }

    /// Stops requesting a filter, because the broker ends the connection each time.
    pub(super) fn abandon(&mut self, filter: &str, is_subscribe: bool) {
        let why = "the broker closes the connection on each attempt";
        if let Some(entry) = self.list.iter_mut().find(|entry| entry.filter == filter && is_subscribe) {
            entry.granted = SubscriptionStatus::Refused(why.to_owned());
            self.abandoned.push(filter.to_owned());
        }
        self.answer = Some(match is_subscribe {
            true => format!("“{filter}” is skipped: {why}."),
            false => format!("Couldn't unsubscribe from “{filter}”: {why}."),
        });
    }

    /// Handles the broker's answer to the end of a subscription.
    pub(super) fn unsubscribed(&mut self, filter: &str, refused: Option<ReasonCode>) {
        // It may have been added again in the meantime.
        self.list
            .retain(|subscription| subscription.filter != filter || subscription.granted != SubscriptionStatus::Ending);
        self.answer = Some(match refused {
            None => format!("Unsubscribed from “{filter}”."),
            Some(reason) => format!("The broker refused to unsubscribe from “{filter}” for this connection: {reason}."),
        });
    }

    /// The connection was lost: removes the subscriptions that were being ended. The broker may keep the rest.
    pub(super) fn handle_lost(&mut self) {
        self.list.retain(|subscription| subscription.granted != SubscriptionStatus::Ending);
    }

    /// The broker has no session: everything is requested again.
    pub(super) fn resubscribe(&mut self) {
        for subscription in &mut self.list {
            if !self.abandoned.contains(&subscription.filter) {
                subscription.granted = SubscriptionStatus::Asked;
            }
        }
    }

    /// Whether the panels have this state already, apart from the message counts.
    pub(super) fn is_same_as(&self, view: &SubscriptionsView) -> bool {
        view.list == self.list && view.answer == self.answer && self.requests().eq(view.requests.iter().cloned())
    }

    /// The state for the panels.
    pub(super) fn view(&self, counts: &MessageCounts, topics: &Topics) -> SubscriptionsView {
        SubscriptionsView {
            list: self.list.clone(),
            requests: self.requests().collect(),
            counts: self.list.iter().map(|entry| counts.count(&entry.filter, topics)).collect(),
            answer: self.answer.clone(),
        }
    }

    fn requests(&self) -> impl Iterator<Item = SubscribeRequest> {
        self.list.iter().map(|entry| self.options.request_for(&entry.filter))
    }
}

/// The first colour that no other subscription has; if all are used, they repeat.
fn free_colour(list: &[Subscription]) -> u8 {
    let is_free = |colour: &u8| list.iter().all(|subscription| subscription.colour != *colour);
    (0..Subscription::COLOURS).find(is_free).unwrap_or((list.len() % usize::from(Subscription::COLOURS)) as u8)
}

/// The colours of the console's rows: those of the last subscriptions, which rows keep after the connection ends.
#[derive(Debug, Default)]
pub(super) struct RowColours(Vec<(TopicFilter, u8)>);

impl RowColours {
    /// Takes over the colours of these subscriptions, if there are any.
    pub(super) fn refresh(&mut self, list: &[Subscription]) {
        if !list.is_empty() {
            let parsed = |entry: &Subscription| Some((TopicFilter::parse(&entry.filter).ok()?, entry.colour));
            self.0 = list.iter().filter_map(parsed).collect();
        }
    }

    /// The colour of the first subscription that matches this topic.
    pub(super) fn of(&self, topic: &str) -> Option<u8> {
        self.0.iter().find(|(filter, _)| filter.matches(topic)).map(|&(_, colour)| colour)
    }
}
