//! Everything that needs a browser.
//!
//! There are two programs. The first one runs twice: as the worker, which owns the socket, the engine and its timer, and
//! only moves bytes; and as the page, which renders, holds no message that isn't on screen, and asks for an update at most
//! once a frame. The second one, the panels, is loaded when a panel is first opened, and has a port of its own to the
//! worker.
//!
//! - [`worker`]: the socket, the engine's driver, the store of sessions.
//! - [`page`]: the page, its console, its crawl, and its ends of the worker and the panels.
//! - [`panels`]: dialogs, one file each.
//! - [`channel`]: the format of messages to and from the worker.
//! - [`window_bus`]: messages between page and panels.
//! - [`clock`]: the only place that reads a clock.
//! - [`local_storage`]: preferences between visits, and the theme.
//! - [`dom`], [`css`], [`download`], [`js_error`], [`local_time`]: helpers around what browsers offer.

pub mod channel;
pub mod clock;
#[cfg(feature = "app")]
pub mod css;
#[cfg(any(feature = "app", feature = "panels"))]
pub mod dom;
pub mod download;
#[cfg(feature = "app")]
pub mod js_error;
#[cfg(any(feature = "app", feature = "panels"))]
pub mod local_storage;
pub mod local_time;
#[cfg(feature = "app")]
pub mod page;
#[cfg(feature = "panels")]
pub mod panels;
#[cfg(any(feature = "app", feature = "panels"))]
pub mod window_bus;
#[cfg(feature = "app")]
pub mod worker;
