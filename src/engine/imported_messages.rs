//! Which messages came from files and not from a subscription.

use std::collections::VecDeque;
use std::ops::Range;

/// The maximum number of runs; the newest are kept. A run is longer than one message unless messages of a broker come
/// between.
const RUNS_MAX: usize = 1_024;

/// Message numbers, as runs in ascending order.
#[derive(Debug, Default)]
pub(super) struct ImportedMessages(VecDeque<Range<u64>>);

impl ImportedMessages {
    /// Records that the message of this number, the newest, came from a file.
    pub(super) fn note(&mut self, seq: u64) {
        match self.0.back_mut() {
            Some(last) if last.end == seq => last.end += 1,
            last => {
                // The import of a log restarted the numbering.
                if last.is_some_and(|last| last.end > seq) {
                    self.0.clear();
                }
                if self.0.len() == RUNS_MAX {
                    self.0.pop_front();
                }
                self.0.push_back(seq..seq + 1);
            }
        }
    }

    /// Whether the message of this number came from a file.
    pub(super) fn contains(&self, seq: u64) -> bool {
        let place = self.0.partition_point(|run| run.end <= seq);
        self.0.get(place).is_some_and(|run| run.contains(&seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found() {
        let mut imported = ImportedMessages::default();
        assert!(!imported.contains(1));
        for seq in [3, 4, 5, 9, 20, 21] {
            imported.note(seq);
        }
        let found: Vec<u64> = (0..30).filter(|&seq| imported.contains(seq)).collect();
        assert_eq!(found, [3, 4, 5, 9, 20, 21]);
        assert_eq!(imported.0.len(), 3);
        imported.note(7);
        assert_eq!(
            (imported.0.len(), imported.contains(20), imported.contains(7)),
            (1, false, true),
            "a new numbering"
        );
    }

    #[test]
    fn it_is_bounded() {
        let mut imported = ImportedMessages::default();
        (1..=3_000).for_each(|seq| imported.note(2 * seq));
        assert_eq!(imported.0.len(), RUNS_MAX);
        assert!(imported.contains(6_000) && !imported.contains(5_999) && !imported.contains(2));
    }
}
