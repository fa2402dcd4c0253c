//! A subscription as it is typed: a request, or its error.

use mqtt_crawl::mqtt::packet::{QoS, RetainHandling, SubscriptionOptions};
use mqtt_crawl::protocol::subscription::SubscribeRequest;
use mqtt_crawl::ui::forms::subscription::{Field, Fields, OptionFields};

fn fields(filter: &str, no_local: bool, identifier: &str) -> Fields {
    let options = OptionFields { no_local, identifier: identifier.to_owned(), ..OptionFields::default() };
    Fields { filter: filter.to_owned(), qos: QoS::AtLeastOnce, options }
}

#[test]
fn subscription_form_round_trips() {
    let options = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::SendIfNew,
    };
    for (options, identifier) in [(options, Some(268_435_455)), (SubscriptionOptions::default(), None)] {
        let request = SubscribeRequest { filter: "a/+/ü".to_owned(), options, identifier };
        assert_eq!(Fields::from(&request).parse(), Ok(request));
    }
}

#[test]
fn subscription_errors_are_reported() {
    for (fields, at) in [
        (fields("", false, ""), vec![Field::Filter]),
        (fields("a/#/b", false, "0"), vec![Field::Filter, Field::Identifier]),
        (fields("a\0b", true, ""), vec![Field::Filter]),
        (fields("$share//a", false, ""), vec![Field::Filter]),
        (fields("$share/group/a", true, "268435456"), vec![Field::Options, Field::Identifier]),
        (fields("a", true, "one"), vec![Field::Identifier]),
    ] {
        let faults = fields.parse().expect_err("something is wrong");
        assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), at, "{fields:?}");
    }
    assert!(fields("$share/group/a", false, "").parse().is_ok());
    assert!(fields("a", true, " 7 ").parse().is_ok());
}
