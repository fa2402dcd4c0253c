//! Decodes the properties of all packets but PUBLISH.

use crate::mqtt::codec::limits::{Limits, too_many_properties, too_many_property_bytes};
use crate::mqtt::codec::primitives::{Fault, Reader, boolean, id, misplaced, once, protocol_error};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::packet::{ConnAckProperties, QoS};

/// The properties that a server may put into each packet (table 2-4).
pub(super) mod allowed {
    use crate::mqtt::codec::primitives::id;

    pub(in crate::mqtt::codec) const REASON: &[u8] = &[id::REASON_STRING, id::USER_PROPERTY];
    pub(in crate::mqtt::codec) const DISCONNECT: &[u8] =
        &[id::SESSION_EXPIRY_INTERVAL, id::SERVER_REFERENCE, id::REASON_STRING, id::USER_PROPERTY];
    pub(in crate::mqtt::codec) const AUTH: &[u8] =
        &[id::AUTHENTICATION_METHOD, id::AUTHENTICATION_DATA, id::REASON_STRING, id::USER_PROPERTY];
    pub(in crate::mqtt::codec) const CONNACK: &[u8] = &[
        id::SESSION_EXPIRY_INTERVAL,
        id::ASSIGNED_CLIENT_IDENTIFIER,
        id::SERVER_KEEP_ALIVE,
        id::AUTHENTICATION_METHOD,
        id::AUTHENTICATION_DATA,
        id::RESPONSE_INFORMATION,
        id::SERVER_REFERENCE,
        id::REASON_STRING,
        id::RECEIVE_MAXIMUM,
        id::TOPIC_ALIAS_MAXIMUM,
        id::MAXIMUM_QOS,
        id::RETAIN_AVAILABLE,
        id::USER_PROPERTY,
        id::MAXIMUM_PACKET_SIZE,
        id::WILDCARD_AVAILABLE,
        id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE,
        id::SHARED_AVAILABLE,
    ];
}

/// Reads the property section of any packet but PUBLISH. CONNACK can carry all properties that the others can, so its
/// type is used for all of them. If `tolerated` is given, a value out of range is reported there instead of as an
/// error.
pub(super) fn decode_properties(
    body: &mut Reader<'_>,
    packet: &str,
    allowed: &[u8],
    limits: &Limits,
    mut tolerated: Option<&mut Option<Deviation>>,
) -> Result<ConnAckProperties, Fault> {
    let mut section = body.section()?;
    if section.rest().len() > limits.property_bytes {
        return Err(too_many_property_bytes(section.rest().len(), limits));
    }
    let mut properties = ConnAckProperties::default();
    let mut seen = 0;
    let mut count = 0;
    while !section.is_empty() {
        count += 1;
        if count > limits.properties {
            return Err(too_many_properties(limits));
        }
        let property = section.u8()?;
        if !allowed.contains(&property) {
            return Err(misplaced(property, packet));
        }
        if property != id::USER_PROPERTY {
            once(&mut seen, property).map_err(|mut fault| {
                fault.rule = once_rule(property, packet).unwrap_or(fault.rule);
                fault
            })?;
        }
        if let Some(tolerated) = tolerated.as_deref_mut()
            && let Some(deviation) = skip_out_of_range(property, &mut section, &mut properties)
        {
            tolerated.get_or_insert(deviation);
            continue;
        }
        decode_property(property, &mut section, &mut properties)?;
    }
    Ok(properties)
}

/// The section that allows this property of CONNACK only once.
fn once_rule(property: u8, packet: &str) -> Option<&'static str> {
    if packet != "CONNACK" {
        return None;
    }
    Some(match property {
        id::SESSION_EXPIRY_INTERVAL => "section 3.2.2.3.2",
        id::RECEIVE_MAXIMUM => "section 3.2.2.3.3",
        id::MAXIMUM_QOS => "section 3.2.2.3.4",
        id::RETAIN_AVAILABLE => "section 3.2.2.3.5",
        id::MAXIMUM_PACKET_SIZE => "section 3.2.2.3.6",
        id::ASSIGNED_CLIENT_IDENTIFIER => "section 3.2.2.3.7",
        id::TOPIC_ALIAS_MAXIMUM => "section 3.2.2.3.8",
        id::REASON_STRING => "section 3.2.2.3.9",
        id::WILDCARD_AVAILABLE => "section 3.2.2.3.11",
        id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => "section 3.2.2.3.12",
        id::SHARED_AVAILABLE => "section 3.2.2.3.13",
        id::SERVER_KEEP_ALIVE => "section 3.2.2.3.14",
        id::RESPONSE_INFORMATION => "section 3.2.2.3.15",
        id::SERVER_REFERENCE => "section 3.2.2.3.16",
        id::AUTHENTICATION_METHOD => "section 3.2.2.3.17",
        id::AUTHENTICATION_DATA => "section 3.2.2.3.18",
        _ => return None,
    })
}

/// Removes a value from `section` if it is out of range.
fn skip_out_of_range(property: u8, section: &mut Reader<'_>, into: &mut ConnAckProperties) -> Option<Deviation> {
    let value = section.rest();
    let (value_bytes, deviation) = match (property, value) {
        (id::MAXIMUM_QOS, [2..=u8::MAX, ..]) => (1, Deviation::MaximumQos),
        (
            id::RETAIN_AVAILABLE
            | id::WILDCARD_AVAILABLE
            | id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE
            | id::SHARED_AVAILABLE,
            [2..=u8::MAX, ..],
        ) => (1, Deviation::ConnAckFlag),
        (id::RECEIVE_MAXIMUM, [0, 0, ..]) => (2, Deviation::ReceiveMaximum),
        (id::MAXIMUM_PACKET_SIZE, [0, 0, 0, 0, ..]) => (4, Deviation::MaximumPacketSize),
        _ => return None,
    };
    if deviation == Deviation::ReceiveMaximum {
        into.receive_maximum = Some(1);
    }
    *section = Reader::new(&value[value_bytes..]);
    Some(deviation)
}

fn decode_property(property: u8, section: &mut Reader<'_>, into: &mut ConnAckProperties) -> Result<(), Fault> {
    match property {
        id::SESSION_EXPIRY_INTERVAL => into.session_expiry_s = Some(section.u32()?),
        id::ASSIGNED_CLIENT_IDENTIFIER => {
            into.assigned_client_id = Some(section.text("a client identifier")?.to_owned());
        }
        id::SERVER_KEEP_ALIVE => into.server_keep_alive_s = Some(section.u16()?),
        id::AUTHENTICATION_METHOD => {
            into.authentication_method = Some(section.text("an authentication method")?.to_owned());
        }
        id::AUTHENTICATION_DATA => into.authentication_data = Some(section.binary()?.to_vec()),
        id::RESPONSE_INFORMATION => {
            into.response_information = Some(section.text("response information")?.to_owned());
        }
        id::SERVER_REFERENCE => {
            into.server_reference = Some(section.text("a server reference")?.to_owned());
        }
        id::REASON_STRING => into.reason_string = Some(section.text("a reason")?.to_owned()),
        id::RECEIVE_MAXIMUM => match section.u16()? {
            0 => return Err(zero("a receive maximum", "section 3.2.2.3.3")),
            maximum => into.receive_maximum = Some(maximum),
        },
        id::TOPIC_ALIAS_MAXIMUM => into.topic_alias_maximum = Some(section.u16()?),
        id::MAXIMUM_QOS => {
            let above_zero = boolean(section.u8()?, "a maximum QoS", "section 3.2.2.3.4")?;
            into.qos_maximum = Some(if above_zero { QoS::AtLeastOnce } else { QoS::AtMostOnce });
        }
        id::RETAIN_AVAILABLE => {
            into.retain_available = Some(boolean(section.u8()?, "a retain flag", "section 3.2.2.3.5")?);
        }
        id::USER_PROPERTY => {
            let name = section.text("the name of a user property")?.to_owned();
            let value = section.text("the value of a user property")?.to_owned();
            into.user_properties.push((name, value));
        }
        id::MAXIMUM_PACKET_SIZE => match section.u32()? {
            0 => return Err(zero("a maximum packet size", "section 3.2.2.3.6")),
            maximum => into.packet_size_maximum_bytes = Some(maximum),
        },
        id::WILDCARD_AVAILABLE => {
            into.wildcard_available = Some(boolean(section.u8()?, "a wildcard flag", "section 3.2.2.3.11")?);
        }
        id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => {
            into.subscription_identifiers_available =
                Some(boolean(section.u8()?, "a subscription identifier flag", "section 3.2.2.3.12")?);
        }
        id::SHARED_AVAILABLE => {
            into.shared_available = Some(boolean(section.u8()?, "a shared subscription flag", "section 3.2.2.3.13")?);
        }
        other => return Err(misplaced(other, "this packet")),
    }
    Ok(())
}

#[cold]
fn zero(what: &str, rule: &'static str) -> Fault {
    protocol_error(rule, format!("The broker sent {what} of 0, which is not allowed."))
}
