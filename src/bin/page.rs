//! The page: renders what its worker tells it.

fn main() {
    mqtt_crawl::web::page::run();
}
