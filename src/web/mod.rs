//! Everything that needs a browser.
//!
//! Two programs live here. The worker owns the socket, the engine and its
//! timer, and only moves bytes. The page renders, holds no message it doesn't
//! show, and asks for news at most once a frame:
//!
//! - [`wire`]: the one format between the two.
//! - [`clock`]: the only place that reads a clock.
//! - [`worker`]: the worker's driver.
//! - [`store`]: where the worker keeps lasting sessions.
//! - [`worker_link`]: the page's end: starts the worker, notices its death.
//! - [`page`]: the page, and the frame loop that feeds its parts.
//! - [`css`]: numbers for style sheets.
//! - [`form`], [`status`], [`console`], [`crawl`]: its parts.

pub mod clock;
#[cfg(feature = "page")]
pub mod console;
#[cfg(feature = "page")]
pub mod crawl;
#[cfg(feature = "page")]
pub mod css;
#[cfg(feature = "page")]
pub mod form;
#[cfg(feature = "page")]
pub mod page;
#[cfg(feature = "page")]
pub mod status;
#[cfg(feature = "worker")]
pub mod store;
pub mod wire;
#[cfg(feature = "worker")]
pub mod worker;
#[cfg(feature = "page")]
pub mod worker_link;
