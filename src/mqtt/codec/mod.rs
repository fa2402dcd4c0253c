//! Encodes and decodes packets of both versions; the only user of `mqttbytes`.
//!
//! `mqttbytes` frames the input, names the packet types, decodes the acknowledgements that consist only of a packet
//! identifier and the SUBACK of 3.1.1, and writes the packets without optional fields. What it doesn't check is checked
//! here before it gets a byte. What can't be corrected around it (CONNECT, CONNACK, PUBLISH, DISCONNECT, AUTH and all
//! properties of 5.0) is our own code.
//!
//! There are three steps, each with its own errors:
//!
//! 1. [`frame::frame`] measures the next packet. Only this step may ask for more bytes. It changes nothing, so it can
//!    be repeated with more input at any time.
//! 2. [`decode::decode`] reads a measured packet. An end that comes too early is then a malformed packet, never a
//!    reason to wait. [`publish`] decodes PUBLISH, the hot path.
//! 3. [`encode::encode`] appends a packet, or nothing at all.
//!
//! Rules are cited by their numbers in MQTT 5.0 unless marked "of 3.1.1".

pub mod decode;
pub mod encode;
pub mod frame;
pub mod limits;
pub(crate) mod primitives;
mod properties;
pub mod publish;
