//! What is generated is as the types have it now.

use std::path::Path;

#[test]
fn the_custom_resource_definitions_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = lightsail_operator::crds::files().unwrap();
    for (path, yaml) in &files {
        let committed = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(committed == *yaml, "{path} is not what src/api says; run `make crds`");
    }
    let plain = std::fs::read_dir(root.join("crds")).unwrap().filter(|file| {
        // Without an ending, so that `kubectl apply --filename crds/` leaves it alone.
        file.as_ref().unwrap().file_name() != "Kustomization"
    });
    assert_eq!(plain.count(), files.len() / 2, "there is a file in crds/ of no kind");
}

#[test]
fn every_reason_is_in_the_troubleshooting_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/api/reason.rs")).unwrap();
    let page = std::fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let body = source.split("pub enum Reason {").nth(1).unwrap().split("\n}").next().unwrap();
    let words = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let missing: Vec<&str> = words.clone().filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert!(words.count() > 30);
    assert_eq!(missing, [""; 0]);
}
