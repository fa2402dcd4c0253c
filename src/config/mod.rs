//! What a person sets and the app keeps: the link, the preferences, and the list of brokers.

pub mod link;
pub mod presets;
pub mod settings;
