//! The list of brokers in the form, as data.

use crate::config::link;
use crate::mqtt::packet::{QoS, Version};

/// A broker that the form offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in the list.
    pub name: &'static str,
    /// Its address.
    pub address: AddressHint,
    /// The protocol version to request; `None` is "auto".
    pub version: Option<Version>,
    /// The only quality of service it grants, if there is only one.
    pub qos: Option<QoS>,
    /// A hint about it, in a sentence or two.
    pub hint: &'static str,
}

/// The address of a preset's broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressHint {
    /// On the page's own server, at this path.
    Here(&'static str),
    /// At this address.
    At(&'static str),
    /// Any address that the person enters.
    Own,
}

/// All presets, in the order of the list. The first is the default, the last is the person's own
/// broker.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "This station",
        address: AddressHint::Here("/mqtt"),
        version: None,
        qos: None,
        hint: "The broker built into the server this page came from.",
    },
    Preset {
        name: "This station, as Diffusion",
        address: AddressHint::Here("/diffusion"),
        version: Some(Version::V5),
        qos: Some(QoS::AtMostOnce),
        hint: "The same broker, behaving as Diffusion documents: MQTT 5.0 only, subscriptions at QoS 0, a user name \
               and password if the station has a list of users.",
    },
    Preset {
        name: "Diffusion",
        address: AddressHint::At("ws://localhost:8080/diffusion"),
        version: Some(Version::V5),
        qos: Some(QoS::AtMostOnce),
        hint: "MQTT 5.0 only, subscriptions at QoS 0. User name and password are a Diffusion principal's. Without \
               permission to read a topic it stays silent.",
    },
    Preset {
        name: "Mosquitto test server",
        address: AddressHint::At("ws://test.mosquitto.org:8080/mqtt"),
        version: None,
        qos: None,
        hint: "Public and unencrypted: everybody sees what is published there. Not from an https page.",
    },
    Preset {
        name: "Mosquitto test server, TLS",
        address: AddressHint::At("wss://test.mosquitto.org:8081/mqtt"),
        version: None,
        qos: None,
        hint: "Public: everybody sees what is published there.",
    },
    Preset {
        name: "EMQX public broker",
        address: AddressHint::At("wss://broker.emqx.io:8084/mqtt"),
        version: None,
        qos: None,
        hint: "Public. Your own EMQX: ws port 8083, wss port 8084, path /mqtt.",
    },
    Preset {
        name: "HiveMQ public broker",
        address: AddressHint::At("wss://broker.hivemq.com:8884/mqtt"),
        version: None,
        qos: None,
        hint: "Public. Your own HiveMQ: ws port 8000, wss port 8884, path /mqtt.",
    },
    Preset {
        name: "VerneMQ",
        address: AddressHint::At("ws://localhost:8080/mqtt"),
        version: None,
        qos: None,
        hint: "Path /mqtt. Where the password is a token (JWT), a user name must still be given.",
    },
    Preset {
        name: "RabbitMQ",
        address: AddressHint::At("ws://localhost:15675/ws"),
        version: None,
        qos: None,
        hint: "Needs its plugin rabbitmq_web_mqtt; port 15675, path /ws.",
    },
    Preset {
        name: "My own broker",
        address: AddressHint::Own,
        version: None,
        qos: None,
        hint: "Any broker with a WebSocket listener. Write its whole address, path included.",
    },
];

impl Preset {
    /// Returns its address, for a page in this folder ([`link::page_base`]); `None` for the
    /// person's own.
    pub fn broker(&self, page_base: &str) -> Option<String> {
        match self.address {
            AddressHint::Here(path) => Some(link::broker_at(page_base, path)),
            AddressHint::At(url) => Some(url.to_owned()),
            AddressHint::Own => None,
        }
    }
}

/// Returns the index in [`PRESETS`] of the preset with this address, or of the person's own.
pub fn position_of(broker: &str, page_base: &str) -> usize {
    PRESETS
        .iter()
        .position(|preset| preset.broker(page_base).as_deref() == Some(broker.trim()))
        .unwrap_or(PRESETS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::broker_url::BrokerUrl;

    #[test]
    fn every_address_can_be_opened_and_is_found_again() {
        for (index, preset) in PRESETS.iter().enumerate() {
            let Some(broker) = preset.broker("http://station.example:8080") else {
                assert_eq!(index, PRESETS.len() - 1, "only the last is the person's own");
                continue;
            };
            let url = BrokerUrl::parse(&broker).and_then(BrokerUrl::for_browser);
            assert!(url.is_ok(), "{}: {url:?}", preset.name);
            assert_eq!(position_of(&broker, "http://station.example:8080"), index, "{}", preset.name);
        }
        assert_eq!(position_of("ws://elsewhere/mqtt", "http://station.example"), PRESETS.len() - 1);
    }
}
