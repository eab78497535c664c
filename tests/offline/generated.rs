//! What is generated is as the types have it now.

use std::path::Path;

#[test]
fn the_crds_and_their_reference_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = lightsail_operator::crds::files().unwrap();
    for (path, text) in &files {
        let committed = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(committed == *text, "{path} is not what src/api says; run `make crds`");
    }
    let plain = std::fs::read_dir(root.join("crds")).unwrap().filter(|file| {
        // Without an ending, so that `kubectl apply --filename crds/` leaves it alone.
        file.as_ref().unwrap().file_name() != "Kustomization"
    });
    let expected = files.iter().filter(|(path, _)| path.starts_with("crds/"));
    assert_eq!(plain.count(), expected.count(), "there is a file in crds/ of no kind");
}

/// A field whose type is an optional enum gets the description of the enum unless its schema is
/// that of the enum itself.
#[test]
fn each_field_has_its_own_description() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reference.md")).unwrap().replace('\\', "");
    let (mut folders, mut fields) = (vec![root.join("src/api")], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for (field, description) in described_fields(&std::fs::read_to_string(&path).unwrap()) {
                let cell = format!("| {description} |");
                assert!(page.contains(&cell), "{}: {field}: {description}", path.display());
                fields += 1;
            }
        }
    }
    assert!(fields > 80, "{fields} fields");
}

/// The public fields of a file's types, each with its comment in one line, as the page has it.
fn described_fields(source: &str) -> Vec<(&str, String)> {
    let (mut fields, mut comment) = (Vec::new(), Vec::new());
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            let text = text.trim();
            comment.push(text.strip_prefix("- ").unwrap_or(text));
        } else if let Some(item) = line.strip_prefix("pub ") {
            let words = comment.drain(..).filter(|text| !text.is_empty()).collect::<Vec<_>>();
            if let Some((name, _)) = item.split_once(": ")
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                fields.push((name, words.join(" ")));
            }
        } else if line == "}" {
            comment.clear();
        }
    }
    fields
}
