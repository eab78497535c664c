//! The table: a row for each attack.

/// What the columns mean.
pub(super) const LEGEND: &str = "\
quiet: median / worst time until a key pair of the quiet namespace is Ready, in the same minutes
alone and beside the attack, and the ratio of the medians, which should be at most 2. bare: the same
of a client that only sends the operator's requests to the API server, in turn with the quiet
namespace's key pairs: an attack also slows down the API server, which all share. Memory is that of
the replica with the most: before the attack, its peak, and at rest after the attack's objects are
gone, in MiB. missed: gaps between renewals of the Lease of more than two periods. lost: changes of
its holder. exits: processes that ended. probe: the longest time of /livez and /readyz until an
answer, alone and beside, with the number of answers other than 200 in parentheses. AWS: calls that
name a hostile resource + a quiet one + none, while the attack lasts.";

const HEAD: [&str; COLUMNS] = [
    "attack",
    "quiet alone",
    "beside",
    "ratio",
    "bare alone",
    "beside",
    "ratio",
    "before",
    "peak",
    "after",
    "missed",
    "lost",
    "exits",
    "probe alone",
    "beside",
    "AWS",
];
const COLUMNS: usize = 16;

/// The cells of a row.
pub(super) type Row = [String; COLUMNS];

/// All rows, with what they mean.
#[derive(Default)]
pub(super) struct Rows(Vec<Row>);

impl Rows {
    pub(super) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// A row of an attack that could not be measured.
    pub(super) fn add_failed(&mut self, attack: String) {
        let mut row = Row::default();
        row[1..].fill_with(|| "failed".to_owned());
        row[0] = attack;
        self.0.push(row);
    }

    pub(super) fn text(&self) -> String {
        let all: Vec<_> = std::iter::once(HEAD.map(str::to_owned)).chain(self.0.clone()).collect();
        let width =
            |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        let line = |row: &Row| {
            let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        all.iter().map(line).collect()
    }
}
