//! Numbers with their units, and the table of what was measured.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

/// A count as a number with a fraction; none here comes near the limit.
pub(super) fn real(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

/// The time that this many thousandths of these do not exceed; none of none is zero.
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

/// A figure for a number of objects, or for all numbers of them together, with what it is compared
/// with.
#[derive(Clone, Debug)]
struct Row {
    size: Option<usize>,
    figure: Figure,
    control: Option<Figure>,
}

/// What was measured, each with a row for each number of objects.
#[derive(Debug, Default)]
pub(super) struct Table(RefCell<Vec<(String, Vec<Row>)>>);

impl Table {
    /// A figure that is compared with nothing. Without a size it is that of all sizes together.
    pub(super) fn add(&self, what: &str, size: impl Into<Option<usize>>, figure: Figure) {
        self.row(what, Row { size: size.into(), figure, control: None });
    }

    /// A figure beside another.
    pub(super) fn compare(&self, what: &str, size: usize, figure: Figure, control: Figure) {
        self.row(what, Row { size: Some(size), figure, control: Some(control) });
    }

    fn row(&self, what: &str, row: Row) {
        let mut all = self.0.borrow_mut();
        match all.iter_mut().find(|(name, _)| name == what) {
            Some((_, rows)) => rows.push(row),
            None => all.push((what.to_owned(), vec![row])),
        }
    }

    fn figure(&self, what: &str, size: Option<usize>) -> Option<Figure> {
        let all = self.0.borrow();
        let (_, rows) = all.iter().find(|(name, _)| name == what)?;
        rows.iter().find(|row| row.size == size).map(|row| row.figure.clone())
    }

    /// Lines of text: the figure, the control and the ratio of the two; then the same figure of an
    /// older version and the ratio to it, if there is one.
    pub(super) fn text(&self, before: Option<&Self>) -> String {
        let all = self.0.borrow();
        let width = all.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
        let [older, change] = if before.is_some() { ["before", "change"] } else { [""; 2] };
        let head = ["what", "size", "figure", "control", "ratio", older, change];
        let mut text = line(width, head);
        for (what, rows) in &*all {
            for (number, row) in rows.iter().enumerate() {
                let once = if number == 0 { what } else { "" };
                let size = row.size.map(|size| size.to_string()).unwrap_or_default();
                let (control, ratio) = beside(&row.figure, row.control.as_ref());
                let older = before.and_then(|before| before.figure(what, row.size));
                let (older, change) = beside(&row.figure, older.as_ref());
                text +=
                    &line(width, [once, &size, &row.figure.0, &control, &ratio, &older, &change]);
            }
        }
        text
    }
}

fn line(width: usize, [what, size, figure, control, ratio, before, change]: [&str; 7]) -> String {
    let line = format!(
        "{what:<width$} {size:>6} {figure:>9} {control:>9} {ratio:>6} {before:>9} {change:>6}"
    );
    line.trim_end().to_owned() + "\n"
}

/// Another figure as text, and the ratio to it. Nothing has no ratio to nothing.
fn beside(figure: &Figure, other: Option<&Figure>) -> (String, String) {
    let Some(other) = other else { return Default::default() };
    let ratio = Some(figure.1 / other.1).filter(|ratio| ratio.is_finite());
    (other.0.clone(), ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figure, Table, slope};

    #[test]
    fn a_figure_stands_beside_its_control_and_what_it_was_before() {
        let (now, before) = (Table::default(), Table::default());
        let time = |seconds| Figure::time(Duration::from_secs(seconds));
        now.compare("restart", 100, time(3), time(2));
        now.compare("restart", 1000, time(9), time(4));
        now.add("writes", None, Figure::count(0_u32));
        before.compare("restart", 1000, time(6), time(1));
        before.add("writes", None, Figure::count(0_u32));
        let lines = |before| {
            let text = now.text(before);
            let fields = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            text.lines().map(fields).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(None),
            [
                "what size figure control ratio",
                "restart 100 3.00 s 2.00 s 1.50",
                "1000 9.00 s 4.00 s 2.25",
                "writes 0",
            ]
        );
        assert_eq!(
            lines(Some(&before)),
            [
                "what size figure control ratio before change",
                "restart 100 3.00 s 2.00 s 1.50",
                "1000 9.00 s 4.00 s 2.25 6.00 s 1.50",
                "writes 0 0",
            ]
        );
    }

    #[test]
    fn a_line_is_found_again() {
        let points = [100.0, 1_000.0, 10_000.0].map(|x| (x, 7.0 + 3.0 * x));
        assert!(slope(&points).is_some_and(|slope| (slope - 3.0).abs() < 1e-9));
        assert_eq!(slope(&points[..1]), None);
    }
}
