//! View models: what a part of the screen shows, without a browser. Each is tested natively.

pub mod forms;
