//! Writes the custom resource definitions into `crds/`, a file for each kind.
//!
//! `cargo run --bin crdgen` (or `make crds`); with a folder as argument it writes there instead.

use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("crds"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    for (name, yaml) in lightsail_operator::crds::files()? {
        std::fs::write(folder.join(name), yaml)?;
    }
    Ok(())
}
