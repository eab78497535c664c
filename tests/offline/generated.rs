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
