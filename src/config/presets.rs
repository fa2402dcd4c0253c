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
    SameServer(&'static str),
    /// At this address.
    At(&'static str),
    /// Any address that the person enters.
    Custom,
}

/// All presets, in the order of the list. The first is the default, the last is the person's own
/// broker.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "Built-in broker",
        address: AddressHint::SameServer("/mqtt"),
        version: None,
        qos: None,
        hint: "The broker running on the server that hosts this page.",
    },
    Preset {
        name: "Built-in broker (Diffusion mode)",
        address: AddressHint::SameServer("/diffusion"),
        version: Some(Version::V5),
        qos: Some(QoS::AtMostOnce),
        hint: "The built-in broker emulating Diffusion: MQTT 5.0 only, subscriptions at QoS 0, user name and \
               password if the server has a list of users.",
    },
    Preset {
        name: "Diffusion",
        address: AddressHint::At("ws://localhost:8080/diffusion"),
        version: Some(Version::V5),
        qos: Some(QoS::AtMostOnce),
        hint: "MQTT 5.0 only, subscriptions at QoS 0. Use the name and password of a Diffusion principal. Topics you \
               aren't allowed to read deliver nothing, without an error.",
    },
    Preset {
        name: "Mosquitto test server",
        address: AddressHint::At("ws://test.mosquitto.org:8080/mqtt"),
        version: None,
        qos: None,
        hint: "Public, unencrypted. Anyone can read what you publish. Not available from https pages.",
    },
    Preset {
        name: "Mosquitto test server, TLS",
        address: AddressHint::At("wss://test.mosquitto.org:8081/mqtt"),
        version: None,
        qos: None,
        hint: "Public. Anyone can read what you publish.",
    },
    Preset {
        name: "EMQX public broker",
        address: AddressHint::At("wss://broker.emqx.io:8084/mqtt"),
        version: None,
        qos: None,
        hint: "Public. Anyone can read what you publish. Your own EMQX: ws port 8083, wss port 8084, path /mqtt.",
    },
    Preset {
        name: "HiveMQ public broker",
        address: AddressHint::At("wss://broker.hivemq.com:8884/mqtt"),
        version: None,
        qos: None,
        hint: "Public. Anyone can read what you publish. Your own HiveMQ: ws port 8000, wss port 8884, path /mqtt.",
    },
    Preset {
        name: "VerneMQ",
        address: AddressHint::At("ws://localhost:8080/mqtt"),
        version: None,
        qos: None,
        hint: "Path /mqtt. A user name is required even when the password is a JWT.",
    },
    Preset {
        name: "RabbitMQ",
        address: AddressHint::At("ws://localhost:15675/ws"),
        version: None,
        qos: None,
        hint: "Requires the rabbitmq_web_mqtt plugin; port 15675, path /ws.",
    },
    Preset {
        name: "Custom",
        address: AddressHint::Custom,
        version: None,
        qos: None,
        hint: "Any broker with a WebSocket listener. Enter the full WebSocket URL, including the path.",
    },
];

impl Preset {
    /// Returns its address, for a page in this folder ([`link::page_base`]); `None` for the
    /// person's own.
    pub fn broker(&self, page_base: &str) -> Option<String> {
        match self.address {
            AddressHint::SameServer(path) => Some(link::broker_at(page_base, path)),
            AddressHint::At(url) => Some(url.to_owned()),
            AddressHint::Custom => None,
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
    fn every_preset_parses_and_is_found_by_its_address() {
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
