//! What is generated is as the types have it now.

use std::path::Path;

#[test]
fn the_custom_resource_definitions_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let files = lightsail_operator::crds::files().unwrap();
    for (name, yaml) in &files {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(committed == *yaml, "crds/{name} is not what src/api says; run `make crds`");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), files.len(), "there is a file in crds/ of no kind");
}
