//! Writes the CRDs, a file for each kind, into `crds/` and as templates of the chart, and the page
//! `docs/reference.md` about their fields.
//!
//! `cargo run --bin crdgen` (or `make crds`); with a folder as argument it writes below that
//! instead.

use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let root = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    for (path, yaml) in lightsail_operator::crds::files()? {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&root))?;
        std::fs::write(path, yaml)?;
    }
    Ok(())
}
