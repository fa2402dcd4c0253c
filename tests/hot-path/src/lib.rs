//! What the core does with every message, and another library's decoder beside its own. Whoever calls it has a clock.

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

/// Takes in PUBLISH after PUBLISH of 5.0, and keeps none.
///
/// # Errors
/// When they are anything else.
pub fn decode(packets: &[u8]) -> Result<()> {
    take_in(packets, &mut Seen)
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

/// Takes them in and keeps the messages.
///
/// # Errors
/// When they are anything else than PUBLISH of 5.0.
pub fn keep(packets: &[u8]) -> Result<MessageLog> {
    let mut kept = Kept(MessageLog::default());
    take_in(packets, &mut kept)?;
    Ok(kept.0)
}

struct Seen;

impl MessageSink for Seen {
    fn on_message(&mut self, message: &Publish<'_>, _now: Instant) {
        black_box(message);
    }
}

struct Kept(MessageLog);

impl MessageSink for Kept {
    fn on_message(&mut self, message: &Publish<'_>, now: Instant) {
        self.0.append(&NewMessage::of(message, now));
    }
}

/// What the worker does with a frame of these packets, by a session that is connected.
fn take_in(packets: &[u8], inbox: &mut impl MessageSink) -> Result<()> {
    let mut session = Session::new(Options { version: Some(Version::V5), ..Options::default() }, 1);
    session.connect(NOW);
    session.handle_open(NOW);
    session.handle_input(&[0x20, 3, 0, 0, 0], NOW, inbox);
    while session.poll_event().is_some() {}
    session.handle_input(packets, NOW, inbox);
    let event = session.poll_event();
    ensure!(event.is_none(), "these are not only messages: {event:?}");
    Ok(())
}
