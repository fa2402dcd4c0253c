//! The typed values of forms, and their meaning: a value, or errors by field.

pub mod connection_options;
pub mod field;
pub mod line_rule;
pub mod log_limits;
pub mod message;
pub mod subscription;
pub mod transmission;
