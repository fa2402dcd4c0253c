//! What the page, the panels and the worker send to each other.
//!
//! The page and the panels send commands and pull; the worker answers with updates. All of it is plain data, serialised
//! with postcard (`web::channel`). Nothing here decides anything.

pub mod command;
pub mod connection;
pub mod message;
pub mod panels;
pub mod publish;
pub mod rows;
pub mod subscription;
pub mod topics;
pub mod transmission;
pub mod update;
