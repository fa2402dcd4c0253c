//! The measure that text, layout and pace have in common.

/// Distance between two baselines, in em.
pub const ROW_EM: f64 = 1.3;
