//! The table of what was measured.

use std::time::Duration;

/// A number with its unit. Numbers are cut to three digits, since none of them is known better.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    value: f64,
    unit: &'static str,
    is_count: bool,
}

impl Figure {
    pub(super) fn new(value: f64, unit: &'static str) -> Self {
        Self { value, unit, is_count: false }
    }

    /// Something that was counted, and is shown to the last digit.
    pub(super) fn count(count: impl TryInto<u32>) -> Self {
        Self { value: f64::from(count.try_into().unwrap_or(u32::MAX)), unit: "", is_count: true }
    }

    pub(super) fn time(time: Duration) -> Self {
        let seconds = time.as_secs_f64();
        if seconds < 1.0 { Self::new(seconds * 1000.0, "ms") } else { Self::new(seconds, "s") }
    }

    pub(super) fn memory(kibibytes: u64) -> Self {
        Self::new(real(kibibytes) / 1024.0, "MiB")
    }

    fn text(self) -> String {
        let digits = match self.value.abs() {
            _ if self.is_count => 0,
            value if value >= 99.95 => 0,
            value if value >= 9.995 => 1,
            _ => 2,
        };
        format!("{:.digits$} {}", self.value, self.unit).trim_end().to_owned()
    }

    /// In one unit, so that two figures can be compared.
    fn base(self) -> f64 {
        if self.unit == "ms" { self.value / 1000.0 } else { self.value }
    }
}

/// A count as a number with a fraction; none here comes near the limit.
pub(super) fn real(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

/// A line: what, of how many objects, the figure, what it is compared with, and the ratio of the
/// two.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<[String; 5]>);

impl Table {
    /// A figure that is compared with nothing.
    pub(super) fn add(&mut self, what: &str, size: usize, figure: Figure) {
        self.0.push([
            what.to_owned(),
            size.to_string(),
            figure.text(),
            String::new(),
            String::new(),
        ]);
    }

    /// A figure beside another.
    pub(super) fn compare(&mut self, what: &str, size: usize, figure: Figure, control: Figure) {
        let ratio = if control.base() > 0.0 {
            format!("{:.2}", figure.base() / control.base())
        } else {
            String::new()
        };
        self.0.push([what.to_owned(), size.to_string(), figure.text(), control.text(), ratio]);
    }

    /// A figure of no size in particular.
    pub(super) fn add_overall(&mut self, what: &str, figure: Figure) {
        self.0.push([what.to_owned(), String::new(), figure.text(), String::new(), String::new()]);
    }

    /// The table in columns, the lines of a thing one below the other in the order of their sizes,
    /// and its name on the first of them.
    pub(super) fn text(&self) -> String {
        let head = ["what", "size", "figure", "control", "ratio"].map(str::to_owned);
        let mut order: Vec<&str> = Vec::new();
        for row in &self.0 {
            if !order.contains(&row[0].as_str()) {
                order.push(&row[0]);
            }
        }
        let of = |what: &&str| {
            let mut rows: Vec<_> = self.0.iter().filter(|row| row[0] == **what).cloned().collect();
            rows.iter_mut().skip(1).for_each(|row| row[0].clear());
            rows
        };
        let rows: Vec<[String; 5]> =
            std::iter::once(head).chain(order.iter().flat_map(of)).collect();
        let width = |column: usize| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; 5] = std::array::from_fn(width);
        let line = |row: &[String; 5]| {
            let cell = |column: usize| match column {
                0 => format!("{:<1$}", row[column], widths[column]),
                _ => format!("{:>1$}", row[column], widths[column]),
            };
            let cells: [String; 5] = std::array::from_fn(cell);
            cells.join("  ").trim_end().to_owned() + "\n"
        };
        rows.iter().map(line).collect()
    }
}
