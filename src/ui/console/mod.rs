//! The console without its nodes.

pub mod refresh_rate;
pub mod scroll;
pub mod time_column;
pub mod view_model;
