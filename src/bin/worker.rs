//! The worker: socket, session and log, away from the page's thread.

fn main() {
    mqtt_crawl::web::worker::run();
}
