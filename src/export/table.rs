//! The table for people. Pure.

use unicode_width::UnicodeWidthStr;

use super::age::age;
use super::exported::{Exported, Finding, Managed};
use super::keys::Location;
use super::text::{printable, shortened, some_of};

const HEADER: [&str; 7] =
    ["NAME", "REGION", "FINGERPRINT", "AGE", "INSTANCES", "KEY", "MANAGED BY"];

/// The longest name in it, in characters: most are shorter.
const NAME: usize = 40;
/// The longest path of a file.
const LOCATION: usize = 64;

/// The table: a row for each key pair.
pub(super) fn table(all: &[Exported]) -> String {
    let rows: Vec<[String; 7]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(all.iter().map(|exported| row(exported).map(|cell| printable(&cell))))
        .collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let padded = |(cell, width): (&String, usize)| {
            let blanks = " ".repeat(width - cell.width());
            format!("{cell}{blanks}")
        };
        let cells = row.iter().zip(widths).map(padded);
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

fn row(exported: &Exported) -> [String; 7] {
    let none = || "-".to_owned();
    let Exported { region, pair, locations, finding, .. } = exported;
    let instances =
        exported.instances.as_ref().map_or_else(|| "?".to_owned(), |all| list(all, NAME));
    [
        shortened(pair.name.as_str(), NAME),
        region.to_string(),
        pair.fingerprint.as_ref().map_or_else(none, ToString::to_string),
        exported.age.map_or_else(none, age),
        instances,
        key(finding, locations),
        managed(finding),
    ]
}

fn key(finding: &Finding, locations: &[Location]) -> String {
    match finding {
        Finding::Generated { secret } => format!("Secret {}", shortened(secret, NAME)),
        Finding::Unmatched(why) if locations.is_empty() => why.words().to_owned(),
        Finding::Unmatched(why) => format!("{} ({})", list(locations, LOCATION), why.words()),
        Finding::Imported { .. } | Finding::Default | Finding::Managed { .. } => {
            list(locations, LOCATION)
        }
    }
}

fn managed(finding: &Finding) -> String {
    match finding {
        Finding::Managed { owner: Managed::By(owner), is_gone } => {
            let gone = is_gone.map(|gone| format!(" ({})", gone.words())).unwrap_or_default();
            format!("{owner}{gone}")
        }
        Finding::Managed { owner: Managed::Unknown, .. } => "unknown owner".to_owned(),
        Finding::Imported { .. }
        | Finding::Generated { .. }
        | Finding::Default
        | Finding::Unmatched(_) => "-".to_owned(),
    }
}

fn list(all: &[impl ToString], longest: usize) -> String {
    let all: Vec<String> = all.iter().map(|one| shortened(&one.to_string(), longest)).collect();
    some_of(&all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::exported::{Gone, Why};
    use crate::export::samples::exported;
    use crate::ids::Owner;

    #[test]
    fn a_row_says_what_is_known_of_a_key_pair() {
        let file = |path: &str| Location::File { path: path.to_owned(), line: Some(3) };
        let fleet = Exported {
            locations: vec![file("keys"), Location::Terraform { path: "a.tfstate".to_owned() }],
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

    #[test]
    fn a_wide_character_takes_two_columns_and_a_combining_one_takes_none() {
        let row = |instance: &str| Exported {
            instances: Some(vec![instance.to_owned()]),
            ..exported("fleet", Finding::Imported { line: String::new() })
        };
        let text = table(&[row("東京"), row("e\u{301}tat"), row("web")]);
        let widths: Vec<usize> = text.lines().skip(1).map(UnicodeWidthStr::width).collect();
        assert_eq!(widths, [widths[0]; 3], "each ends in the last column: {text}");
    }

    #[test]
    fn long_names_and_many_instances_leave_the_columns_where_they_are() {
        let instances = (1..=60).map(|index| format!("web-{index}"));
        let mut wide = Exported {
            instances: Some(instances.collect()),
            ..exported(&"n".repeat(255), Finding::Imported { line: String::new() })
        };
        wide.locations = vec![Location::File { path: "k".repeat(4_096), line: None }; 3];
        let mut long = exported("fleet", Finding::Generated { secret: "s".repeat(240) });
        long.instances = Some(vec!["i".repeat(255); 60]);
        let owner = Owner::new("c1", "team-a", "build");
        let managed = Finding::Managed { owner: Managed::By(owner), is_gone: None };
        let text = table(&[wide, long, exported("build", managed)]);
        let rows: Vec<Vec<char>> = text.lines().map(|row| row.chars().collect()).collect();
        let row = |index: usize| rows[index].iter().collect::<String>();
        assert!(row(1).contains("   web-1, web-2 and 58 more   "), "{text}");
        let starts: Vec<usize> =
            HEADER.iter().map(|title| row(0).find(&format!("{title} ")).unwrap_or(0)).collect();
        for row in &rows {
            assert!(row.len() < 400, "{text}");
            for start in starts.iter().filter(|start| **start > 0) {
                assert_eq!(row[start - 3..*start], [' '; 3], "{text}");
                assert_ne!(row[*start], ' ', "{text}");
            }
        }
    }
}
