//! The counters of the contract.

use crate::crawl::feed::CrawlFeed;
use crate::message_log::MessageLog;
use crate::protocol::update::Stats;

/// The counters of this log, and of what reads it.
pub(super) fn of(log: &MessageLog, matching: u64, feed: &CrawlFeed, reconnects: u64) -> Stats {
    Stats {
        received: log.received(),
        kept: log.kept(),
        evicted: log.evicted(),
        cleared: log.cleared(),
        matching,
        crawl_pending: feed.pending(),
        reconnects,
        kept_bytes: log.kept_bytes(),
    }
}
