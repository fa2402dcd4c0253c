//! Subscriptions that are added, changed and removed while connected, or while reconnecting.
//!
//! # Invariants
//!
//! - The list is what the next connection requests. A subscription that is being removed stays in it until the broker
//!   answers.
//! - A subscription keeps its colour as long as it is in the list.
//! - Options chosen for a single filter also apply to later connections, until the person chooses other options for
//!   all.

use super::Engine;
use crate::mqtt::packet::{QoS, ReasonCode, SubscriptionOptions};
use crate::mqtt::session;
use crate::mqtt::topic::TopicFilter;
use crate::protocol::connection::ConnectionState;
use crate::protocol::connection::{ConnectRequest, ConnectionOptions};
use crate::protocol::subscription::SubscribeRequest;
use crate::protocol::subscription::{Subscription, SubscriptionStatus, SubscriptionsView};
use crate::time::Instant;

/// The options of every filter.
type DefaultOptions = (SubscriptionOptions, Option<u32>);

/// The options of single filters.
#[derive(Debug, Default)]
pub(super) struct SubscriptionOptionsByFilter {
    /// The general options that they override.
    general: DefaultOptions,
    single: Vec<SubscribeRequest>,
}

impl SubscriptionOptionsByFilter {
    /// Sets the options of all filters, as chosen in a form; they may be unchanged.
    pub(super) fn begin(&mut self, request: &ConnectRequest, more: &ConnectionOptions) {
        let options = SubscriptionOptions {
            qos: request.qos,
            no_local: more.no_local,
            retain_as_published: more.retain_as_published,
            retain_handling: more.retain_handling,
        };
        let general = (options, more.subscription_identifier);
        if self.general != general {
            *self = Self { general, single: Vec::new() };
        }
    }

    /// The request for this filter.
    pub(super) fn for_filter(&self, filter: &str) -> SubscribeRequest {
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

impl Engine {
    /// Adds a subscription, or changes the options of an existing one.
    pub(super) fn choose_subscription(&mut self, request: SubscribeRequest, now: Instant) {
        let Some(wanted) = &mut self.request else { return };
        let filter = match TopicFilter::parse(&request.filter) {
            Ok(filter) => filter,
            Err(error) => return self.answer(error.to_string()),
        };
        if !wanted.topics.contains(&request.filter) {
            wanted.topics.push(request.filter.clone());
        }
        self.choices.choose(request.clone());
        self.answer(match self.connection.state {
            ConnectionState::Connected => format!("Subscribing to “{}”…", request.filter),
            _ => format!("“{}” will be subscribed to on the next connection.", request.filter),
        });
        self.subscribe(filter, request, now);
    }

    /// Requests a subscription, now or with the next connection.
    pub(super) fn subscribe(&mut self, filter: TopicFilter, request: SubscribeRequest, now: Instant) {
        let SubscribeRequest { options, identifier, .. } = request;
        let list = &mut self.connection.subscriptions;
        match list.iter_mut().find(|subscription| subscription.filter == request.filter) {
            Some(known) => known.granted = SubscriptionStatus::Asked,
            None => {
                let is_listed = |filter: &str| list.iter().any(|subscription| subscription.filter == filter);
                self.tally.begin(filter.clone(), &self.topics, is_listed);
                let colour = free_color_index(list);
                list.push(Subscription { filter: request.filter, granted: SubscriptionStatus::Asked, colour });
            }
        }
        self.abandoned.retain(|abandoned| abandoned != filter.as_str());
        self.tally.identify(filter.as_str(), identifier);
        self.page_dirty = true;
        self.session.subscribe(session::Subscription { filter, options, identifier }, now);
    }

    /// Removes a subscription.
    pub(super) fn unsubscribe(&mut self, filter: &str, now: Instant) {
        if let Some(wanted) = &mut self.request {
            wanted.topics.retain(|topic| topic != filter);
        }
        self.choices.forget(filter);
        let list = &mut self.connection.subscriptions;
        let Some(known) = list.iter_mut().find(|subscription| subscription.filter == filter) else { return };
        self.page_dirty = true;
        let Ok(parsed) = TopicFilter::parse(filter) else { return };
        if self.connection.state == ConnectionState::Connected {
            known.granted = SubscriptionStatus::Ending;
            self.answer(format!("Unsubscribing from “{filter}”…"));
        } else {
            list.retain(|subscription| subscription.filter != filter);
            self.answer(format!("Removed “{filter}”."));
        }
        self.session.unsubscribe(&parsed, now);
    }

    /// Handles the broker's answer to a subscription.
    pub(super) fn subscribed(&mut self, filter: &str, granted: Result<QoS, ReasonCode>) {
        let list = &mut self.connection.subscriptions;
        let Some(asked) = list.iter_mut().find(|subscription| subscription.filter == filter) else { return };
        // The answer crossed the request to end it.
        if asked.granted == SubscriptionStatus::Ending {
            return;
        }
        let wished = self.choices.for_filter(filter).options.qos;
        asked.granted = match granted {
            Ok(qos) => SubscriptionStatus::QoS(qos),
            Err(reason) => SubscriptionStatus::Refused(reason.to_string()),
        };
        self.answer = Some(match granted {
            Ok(qos) if qos < wished => {
                format!("Subscribed to “{filter}” (QoS {qos}, requested {wished}).")
            }
            Ok(qos) => format!("Subscribed to “{filter}” (QoS {qos})."),
            Err(reason) => format!("The broker rejected “{filter}”: {reason}."),
        });
    }

    /// Stops requesting a filter, because the broker ends the connection each time.
    pub(super) fn abandon_filter(&mut self, filter: &str, is_subscribe: bool) {
        let list = &mut self.connection.subscriptions;
        let why = "the broker closes the connection on each attempt";
        if let Some(entry) = list.iter_mut().find(|entry| entry.filter == filter && is_subscribe) {
            entry.granted = SubscriptionStatus::Refused(why.to_owned());
            self.abandoned.push(filter.to_owned());
        }
        self.answer(match is_subscribe {
            true => format!("“{filter}” is skipped: {why}."),
            false => format!("Couldn't unsubscribe from “{filter}”: {why}."),
        });
    }

    /// Handles the broker's answer to the end of a subscription.
    pub(super) fn unsubscribed(&mut self, filter: &str, refused: Option<ReasonCode>) {
        let words = match refused {
            None => format!("Unsubscribed from “{filter}”."),
            Some(reason) => format!("The broker refused to unsubscribe from “{filter}” for this connection: {reason}."),
        };
        let list = &mut self.connection.subscriptions;
        // It may have been added again in the meantime.
        list.retain(|subscription| subscription.filter != filter || subscription.granted != SubscriptionStatus::Ending);
        self.answer(words);
    }

    /// The connection was lost: removes the subscriptions that were being ended. The broker may keep the rest.
    pub(super) fn lose_subscriptions(&mut self) {
        self.connection.subscriptions.retain(|subscription| subscription.granted != SubscriptionStatus::Ending);
    }

    /// The broker has no session: everything is requested again.
    pub(super) fn resubscribe(&mut self) {
        for subscription in &mut self.connection.subscriptions {
            if !self.abandoned.contains(&subscription.filter) {
                subscription.granted = SubscriptionStatus::Asked;
            }
        }
    }

    /// The list, if it is shown and has changed.
    pub(super) fn subscriptions_news(&self, is_shown: bool) -> Option<SubscriptionsView> {
        let list = &self.connection.subscriptions;
        let requests = || list.iter().map(|entry| self.choices.for_filter(&entry.filter));
        let is_counted = self.subscriptions_counted == self.topics.changes();
        let is_known = self.subscriptions_told.as_ref().is_some_and(|told| {
            is_counted
                && told.list == *list
                && told.answer == self.answer
                && requests().eq(told.requests.iter().cloned())
        });
        (is_shown && !is_known).then(|| SubscriptionsView {
            list: list.clone(),
            requests: requests().collect(),
            counts: list.iter().map(|entry| self.tally.count(&entry.filter, &self.topics)).collect(),
            answer: self.answer.clone(),
        })
    }

    fn answer(&mut self, words: String) {
        self.answer = Some(words);
        self.page_dirty = true;
    }
}

/// The first colour that no other subscription has; if all are used, the next one in turn.
fn free_color_index(list: &[Subscription]) -> u8 {
    let is_free = |colour: &u8| list.iter().all(|subscription| subscription.colour != *colour);
    (0..Subscription::COLOURS).find(is_free).unwrap_or((list.len() % usize::from(Subscription::COLOURS)) as u8)
}
