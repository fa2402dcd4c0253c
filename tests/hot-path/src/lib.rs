//! What the core does with every message, and another library's decoder beside its own. Whoever calls it has a clock.

use std::hint::black_box;

use anyhow::{Result, bail};
use bytes::BytesMut;
use mqtt_crawl::log::{Arrival, MessageLog};
use mqtt_crawl::mqtt::codec::{self, Limits};
use mqtt_crawl::mqtt::packet::{Incoming, Publish, Version};
use mqtt_crawl::time;

/// Decodes PUBLISH after PUBLISH of 5.0, as the session does.
///
/// # Errors
/// When they are anything else.
pub fn decode(packets: &[u8]) -> Result<()> {
    each_publish(packets, |publish| {
        black_box(publish);
    })
}

/// The same with mqttbytes, which takes packets out of a buffer.
///
/// # Errors
/// When they are no packets.
pub fn decode_with_mqttbytes(mut packets: BytesMut) -> Result<()> {
    while !packets.is_empty() {
        if let Err(fault) = mqttbytes::v5::read(&mut packets, usize::MAX).map(black_box) {
            bail!("mqttbytes: {fault:?}");
        }
    }
    Ok(())
}

/// Decodes packet after packet and keeps the messages.
///
/// # Errors
/// When they are anything else than PUBLISH of 5.0.
pub fn keep(packets: &[u8]) -> Result<MessageLog> {
    let mut log = MessageLog::default();
    each_publish(packets, |publish| {
        log.append(&Arrival {
            time: time::Instant::EPOCH,
            topic: publish.topic,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            properties: publish.properties,
            payload: publish.payload,
        });
    })?;
    Ok(log)
}

fn each_publish<'a>(mut packets: &'a [u8], mut take: impl FnMut(&Publish<'a>)) -> Result<()> {
    let limits = Limits::default();
    while let Some(length) = codec::frame(packets, &limits)? {
        let (packet, rest) = packets.split_at(length);
        let Incoming::Publish(publish) = codec::decode(packet, Version::V5, &limits)? else {
            bail!("that is no PUBLISH: {packet:02x?}");
        };
        take(&publish);
        packets = rest;
    }
    Ok(())
}
