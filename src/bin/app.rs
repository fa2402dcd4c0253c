//! The app: the page, and its worker away from the page's thread. One program, so that a browser
//! fetches and compiles once what both need; where it runs says which of the two it is.

use mqtt_crawl::web::{page, worker};

fn main() {
    match web_sys::window() {
        Some(window) => page::run(window),
        None => worker::run(),
    }
}
