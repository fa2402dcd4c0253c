//! The core's work for every message, and another library's decoder for comparison. The caller measures the time.

use std::hint::black_box;

use anyhow::{Result, bail, ensure};
use bytes::BytesMut;
use mqtt_crawl::message_log::MessageLog;
use mqtt_crawl::message_log::message::NewMessage;
use mqtt_crawl::mqtt::packet::{Publish, Version};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::MessageSink;
use mqtt_crawl::mqtt::session::options::Options;
use mqtt_crawl::time::Instant;

/// The session's current time.
const NOW: Instant = Instant::from_millis(1_000);

/// Decodes PUBLISH packets of 5.0, and stores none.
///
/// # Errors
/// Fails for any other packet.
pub fn decode(packets: &[u8]) -> Result<()> {
    handle_packets(packets, &mut NullSink)
}

/// The same with mqttbytes, which removes packets from a buffer.
///
/// # Errors
/// Fails if these aren't packets.
pub fn decode_with_mqttbytes(mut packets: BytesMut) -> Result<()> {
    while !packets.is_empty() {
        if let Err(error) = mqttbytes::v5::read(&mut packets, usize::MAX).map(black_box) {
            bail!("mqttbytes: {error:?}");
        }
    }
    Ok(())
}

/// Decodes PUBLISH packets of 5.0, and stores the messages.
///
/// # Errors
/// Fails for any other packet.
pub fn keep(packets: &[u8]) -> Result<MessageLog> {
    let mut sink = LogSink(MessageLog::default());
    handle_packets(packets, &mut sink)?;
    Ok(sink.0)
}

struct NullSink;

impl MessageSink for NullSink {
    fn on_message(&mut self, message: &Publish<'_>, _now: Instant) {
        black_box(message);
    }
}

struct LogSink(MessageLog);

impl MessageSink for LogSink {
    fn on_message(&mut self, message: &Publish<'_>, now: Instant) {
        self.0.append(&NewMessage::of(message, now));
    }
}

/// Passes a frame of these packets to a connected session, as the worker does.
fn handle_packets(packets: &[u8], sink: &mut impl MessageSink) -> Result<()> {
    let mut session = Session::new(Options { version: Some(Version::V5), ..Options::default() }, 1);
    session.connect(NOW);
    session.handle_open(NOW);
    session.handle_input(&[0x20, 3, 0, 0, 0], NOW, sink);
    while session.poll_event().is_some() {}
    session.handle_input(packets, NOW, sink);
    let event = session.poll_event();
    ensure!(event.is_none(), "a packet isn't a message: {event:?}");
    Ok(())
}
