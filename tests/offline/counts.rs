//! How much the plans are tested with: the rows of their tables and the cases of their properties.
//! `make test` shows it at its end. There is no number that it should be.

#![expect(clippy::print_stdout, reason = "the counts are what a run of it tells")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files of a folder and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(of).collect()
}

/// A row begins with its name, on the line of its parenthesis or on the next one.
fn rows(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let is_row = |at: &[&str]| at[0].starts_with("(\"") || at[0] == "(" && at[1].starts_with('"');
    lines.windows(2).filter(|at| is_row(at)).count()
}

/// The constant `CASES`, or more if the variable asks for more, as the properties have it.
fn cases(text: &str) -> Option<u64> {
    let value = text.split_once("const CASES: u32 = ")?.1.split_once(';')?.0.replace('_', "");
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Some(value.parse::<u64>().unwrap().max(wanted.unwrap_or_default()))
}

#[test]
fn the_plans_have_tables_and_properties() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let of_plans = files(&source).into_iter().filter(|path| {
        let path = path.to_string_lossy();
        path.contains("/plan/tests/") || path.ends_with("/plan/tests.rs")
    });
    let texts: Vec<String> = of_plans.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let rows: usize = texts.iter().map(|text| rows(text)).sum();
    let mut properties: BTreeMap<u64, usize> = BTreeMap::new();
    for text in &texts {
        if let Some(cases) = cases(text) {
            *properties.entry(cases).or_default() += text.matches("#[test]").count();
        }
    }
    assert!(rows > 0 && !properties.is_empty(), "the tests of the plans are somewhere else");
    println!("plans: {rows} rows of their tables");
    for (cases, count) in properties {
        println!("plans: {count} properties of {cases} cases each");
    }
}
