//! The console: which rows are on screen, the reader's place, and how often it is drawn.

pub mod view_model;
