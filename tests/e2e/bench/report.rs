//! The table at the end.

/// What was measured, beside what was wanted.
#[derive(Default)]
pub struct Report(Vec<Line>);

struct Line {
    what: String,
    found: String,
    wanted: String,
    is_met: bool,
}

impl Report {
    /// Adds a line, and shows it at once.
    pub fn add(&mut self, what: impl Into<String>, found: impl Into<String>, wanted: impl Into<String>, is_met: bool) {
        let line = Line { what: what.into(), found: found.into(), wanted: wanted.into(), is_met };
        println!("{}: {} (wanted: {})", line.what, line.found, line.wanted);
        self.0.push(line);
    }

    /// Prints all lines as a table in Markdown.
    pub fn print(&self) {
        println!("\n| what | found | wanted | |\n|---|---|---|---|");
        for Line { what, found, wanted, is_met } in &self.0 {
            println!("| {what} | {found} | {wanted} | {} |", if *is_met { "met" } else { "**not met**" });
        }
    }
}

/// The value in the middle, and the one that 99 of 100 don't exceed.
///
/// Zeros for no values.
pub fn median_and_p99(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or_default();
    (at(0.5), at(0.99))
}
