//! The console: which rows are on screen, where the reader is, and how often it is drawn.

pub mod view_model;
