//! What is typed into forms, and what it means: a value, or errors by field.

pub mod connection_options;
pub mod field;
pub mod line_rule;
pub mod log_limits;
pub mod message;
pub mod subscription;
pub mod transmission;
