//! Everything that needs a browser.
//!
//! Two programs live here, and the first of them runs twice. As the worker it
//! owns the socket, the engine and its timer, and only moves bytes. As the page
//! it renders, holds no message it doesn't show, and asks for news at most once
//! a frame. The panels are what opens by a click; they are loaded then, and
//! speak to the worker themselves:
//!
//! - [`wire`]: the one format between them and the worker.
//! - [`hail`]: what page and panels call out to each other.
//! - [`clock`]: the only place that reads a clock.
//! - [`worker`]: the worker's driver.
//! - [`store`]: where the worker keeps lasting sessions.
//! - [`worker_link`]: the page's end: starts the worker, notices its death.
//! - [`panels_link`]: the page's end: loads the panels, links them to the worker.
//! - [`page`]: the page, and the frame loop that feeds its parts.
//! - [`restart`]: the page after a panic.
//! - [`storage`]: the app's settings between pages, and the theme.
//! - [`offline`]: the app without a network, and its newer versions.
//! - [`download`], [`js_error`], [`local_time`]: what browsers offer, in one place.
//! - [`parts`]: the page's nodes, and how they are changed.
//! - [`css`]: numbers for style sheets.
//! - [`form`], [`status`], [`console`], [`crawl`]: its parts.
//! - [`panels`]: the finer settings, and sending messages.

pub mod clock;
#[cfg(feature = "app")]
pub mod console;
#[cfg(feature = "app")]
pub mod crawl;
#[cfg(feature = "app")]
pub mod css;
pub mod download;
#[cfg(feature = "app")]
pub mod form;
#[cfg(any(feature = "app", feature = "panels"))]
pub mod hail;
#[cfg(feature = "app")]
pub mod js_error;
pub mod local_time;
#[cfg(feature = "app")]
pub mod offline;
#[cfg(feature = "app")]
pub mod page;
#[cfg(feature = "panels")]
pub mod panels;
#[cfg(feature = "app")]
pub mod panels_link;
#[cfg(feature = "app")]
pub mod parts;
#[cfg(feature = "app")]
pub mod restart;
#[cfg(feature = "app")]
pub mod status;
#[cfg(any(feature = "app", feature = "panels"))]
pub mod storage;
#[cfg(feature = "app")]
pub mod store;
pub mod wire;
#[cfg(feature = "app")]
pub mod worker;
#[cfg(feature = "app")]
pub mod worker_link;
