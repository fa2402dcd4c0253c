//! View models: what a part of the screen shows, without a browser. Each is tested natively.

pub mod broker_capabilities;
pub mod console;
pub mod forms;
pub mod inspect;
pub mod publish_history;
pub mod shortcuts;
pub mod sparkline;
