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
