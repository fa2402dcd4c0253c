//! The table at the end.

/// The results, with their targets.
#[derive(Default)]
pub struct Report(Vec<Line>);

struct Line {
    what: String,
    result: String,
    target: String,
    is_met: bool,
}

impl Report {
    /// Adds a line, and shows it at once.
    pub fn add(&mut self, what: impl Into<String>, result: impl Into<String>, target: impl Into<String>, is_met: bool) {
        let line = Line { what: what.into(), result: result.into(), target: target.into(), is_met };
        println!("{}: {} (target: {})", line.what, line.result, line.target);
        self.0.push(line);
    }

    /// Prints all lines as a table in Markdown.
    pub fn print(&self) {
        println!("\n| what | result | target | |\n|---|---|---|---|");
        for Line { what, result, target, is_met } in &self.0 {
            println!("| {what} | {result} | {target} | {} |", if *is_met { "met" } else { "**not met**" });
        }
    }
}

/// Returns the median and the 99th percentile; zeros if there are no values.
pub fn median_and_p99(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or_default();
    (at(0.5), at(0.99))
}
