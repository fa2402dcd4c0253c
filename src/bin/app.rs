//! The app: the page, and its worker outside of the page's thread. They are one program, so that a
//! browser fetches and compiles what both need only once; the context it runs in decides which of
//! the two it is.

use mqtt_crawl::web::{page, worker};

fn main() {
    match web_sys::window() {
        Some(window) => page::run(window),
        None => worker::run(),
    }
}
