//! The panels: everything that opens by a click, loaded when it is first opened.

fn main() {
    mqtt_crawl::web::panels::run();
}
