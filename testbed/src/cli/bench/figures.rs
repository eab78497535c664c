//! Numbers with their units, and the table of what was measured.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

/// A count as a number with a fraction; none here comes near the limit.
pub(super) fn real(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

/// The time that so many thousandths of these do not exceed; none of none is zero.
pub(super) fn quantile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get(last * share / 1000).copied().unwrap_or_default()
}

/// The slope of the line that fits best; none through one point.
pub(super) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = real(points.len());
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), it| (x + it.0 / count, y + it.1 / count));
    let spread: f64 = points.iter().map(|it| (it.0 - x).powi(2)).sum();
    (spread > 0.0).then(|| points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum::<f64>() / spread)
}

/// A number with its unit, and the number in a unit that it shares with what it is compared with.
#[derive(Clone, Debug)]
pub(super) struct Figure(String, f64);

impl Figure {
    /// Cut to three digits, since none is known better.
    pub(super) fn new(value: f64, unit: &str) -> Self {
        let digits = if value >= 99.95 { 0 } else { 1 + usize::from(value < 9.995) };
        Self(format!("{value:.digits$} {unit}").trim_end().to_owned(), value)
    }

    /// Something that was counted, and is shown to the last digit.
    pub(super) fn count(count: impl TryInto<u32>) -> Self {
        let count = real(count);
        Self(format!("{count:.0}"), count)
    }

    pub(super) fn time(time: Duration) -> Self {
        let time = time.as_secs_f64();
        let shown = if time < 1.0 { Self::new(time * 1000.0, "ms") } else { Self::new(time, "s") };
        Self(shown.0, time)
    }

    pub(super) fn memory(kibibytes: u64) -> Self {
        Self::new(real(kibibytes) / 1024.0, "MiB")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What was measured, each with a line for each number of objects: the figure, what it is compared
/// with, and the ratio of the two.
#[derive(Debug, Default)]
pub(super) struct Table(RefCell<Vec<(String, Vec<[String; 4]>)>>);

impl Table {
    /// A figure that is compared with nothing. Without a size it is that of all sizes together.
    pub(super) fn add(&self, what: &str, size: impl Into<Option<usize>>, figure: Figure) {
        self.row(what, size.into(), figure.0, [String::new(), String::new()]);
    }

    /// A figure beside another.
    pub(super) fn compare(&self, what: &str, size: usize, figure: Figure, control: Figure) {
        let ratio = Some(figure.1 / control.1).filter(|ratio| ratio.is_finite());
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        self.row(what, Some(size), figure.0, [control.0, ratio]);
    }

    fn row(&self, what: &str, size: Option<usize>, figure: String, [control, ratio]: [String; 2]) {
        let row = [size.map(|size| size.to_string()).unwrap_or_default(), figure, control, ratio];
        let mut all = self.0.borrow_mut();
        match all.iter_mut().find(|(name, _)| name == what) {
            Some((_, rows)) => rows.push(row),
            None => all.push((what.to_owned(), vec![row])),
        }
    }

    pub(super) fn text(&self) -> String {
        let head =
            ("what".to_owned(), vec![["size", "figure", "control", "ratio"].map(Into::into)]);
        let all = self.0.borrow();
        let width = all.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
        let lines = std::iter::once(&head).chain(&*all).flat_map(|(what, rows)| {
            rows.iter().enumerate().map(move |(number, [size, figure, control, ratio])| {
                let what = if number == 0 { what } else { "" };
                let line = format!("{what:<width$} {size:>6} {figure:>9} {control:>9} {ratio:>6}");
                line.trim_end().to_owned() + "\n"
            })
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn a_line_is_found_again() {
        let points = [100.0, 1_000.0, 10_000.0].map(|x| (x, 7.0 + 3.0 * x));
        assert!(slope(&points).is_some_and(|slope| (slope - 3.0).abs() < 1e-9));
        assert_eq!(slope(&points[..1]), None);
    }
}
