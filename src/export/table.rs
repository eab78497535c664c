//! The table for people. Pure.

use super::age::age;
use super::exported::{Exported, Finding, Managed};
use super::keys::Place;
use super::text::printable;

const HEADER: [&str; 7] =
    ["NAME", "REGION", "FINGERPRINT", "AGE", "INSTANCES", "KEY", "MANAGED BY"];
/// So many instances or places of a key are named.
const NAMED: usize = 2;

/// The table: a row for each key pair.
pub(super) fn table(all: &[Exported]) -> String {
    let rows: Vec<[String; 7]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(all.iter().map(|exported| row(exported).map(|cell| printable(&cell))))
        .collect();
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

fn row(exported: &Exported) -> [String; 7] {
    let none = || "-".to_owned();
    let Exported { region, pair, places, finding, .. } = exported;
    let instances = exported.instances.as_ref().map_or_else(|| "?".to_owned(), |all| some_of(all));
    [
        pair.name.to_string(),
        region.to_string(),
        pair.fingerprint.as_ref().map_or_else(none, ToString::to_string),
        exported.age.map_or_else(none, age),
        instances,
        key(finding, places),
        managed(finding),
    ]
}

fn key(finding: &Finding, places: &[Place]) -> String {
    let places: Vec<String> = places.iter().map(ToString::to_string).collect();
    match finding {
        Finding::Generated { secret } => format!("Secret {secret}"),
        Finding::Unmatched(why) if places.is_empty() => why.words().to_owned(),
        Finding::Unmatched(why) => format!("{} ({})", some_of(&places), why.words()),
        Finding::Imported { .. } | Finding::Default | Finding::Managed { .. } => some_of(&places),
    }
}

fn managed(finding: &Finding) -> String {
    match finding {
        Finding::Managed { owner: Managed::By(owner), is_gone } => {
            let gone = is_gone.map(|gone| format!(" ({})", gone.words())).unwrap_or_default();
            format!("{owner}{gone}")
        }
        Finding::Managed { owner: Managed::Unknown, .. } => "unknown owner tag".to_owned(),
        Finding::Imported { .. }
        | Finding::Generated { .. }
        | Finding::Default
        | Finding::Unmatched(_) => "-".to_owned(),
    }
}

fn some_of(all: &[String]) -> String {
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len() {
        0 => "-".to_owned(),
        count if count > NAMED => format!("{named} and {} more", count - NAMED),
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::exported::{Gone, Why};
    use crate::export::samples::exported;
    use crate::ids::Owner;

    #[test]
    fn a_row_says_what_is_known_of_a_key_pair() {
        let file = |path: &str| Place::File { path: path.to_owned(), line: Some(3) };
        let fleet = Exported {
            places: vec![file("keys"), Place::Terraform { path: "a.tfstate".to_owned() }],
            instances: Some(["a", "b", "c"].map(str::to_owned).to_vec()),
            ..exported("fleet", Finding::Imported { line: String::new() })
        };
        let owner = Managed::By(Owner::new("c1", "team-a", "build"));
        let build = exported("build", Finding::Managed { owner, is_gone: Some(Gone::Namespace) });
        let mut old = Exported {
            age: None,
            instances: None,
            ..exported("o\u{1b}[2Jld", Finding::Unmatched(Why::NoKey))
        };
        old.pair.fingerprint = None;
        let text = table(&[fleet, build, old]);
        let cells = |line: &str| -> Vec<String> {
            let cells = line.split("   ").map(str::trim).filter(|cell| !cell.is_empty());
            cells.map(str::to_owned).collect()
        };
        let rows: Vec<Vec<String>> = text.lines().map(cells).collect();
        let fingerprint = "1f:5f:96:39:59:6a:47:a2:f2:b7:b9:d4:28:8b:fd:13";
        assert_eq!(rows[0], HEADER);
        assert_eq!(
            rows[1],
            ["fleet", "eu-west-1", fingerprint, "2d", "a, b and 1 more", "keys:3, a.tfstate", "-"]
        );
        let managed = "c1/team-a/build (namespace gone)";
        assert_eq!(rows[2], ["build", "eu-west-1", fingerprint, "2d", "web-1", "-", managed]);
        assert_eq!(
            rows[3],
            ["o?[2Jld", "eu-west-1", "-", "-", "?", "no key has its fingerprint", "-"]
        );
    }
}
