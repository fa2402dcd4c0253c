//! What is typed into forms, and what it means: a value, or errors by field.

pub mod field;
pub mod log_limits;
