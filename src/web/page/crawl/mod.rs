//! The crawl on screen.
//!
//! [`view::CrawlView`] is the stage, and [`handle::CrawlHandle`] is the page's access to it: the
//! page pushes lines and asks how many more there is room for. Every decision is made by the core
//! ([`crate::crawl::controller`]); here it only becomes nodes and one animation.
//!
//! Lines are nodes made by hand and never pass through signals: a message costs one node, and no
//! component runs again because of it. All text is set as text, so a payload can't become markup.

mod controls;
mod fullscreen;
pub mod handle;
mod input;
mod signals;
mod stage;
mod starfield;
mod text_measure;
mod transcript;
pub mod view;
