//! Files with keys or tokens in them: only their owner can read them.

use std::fs::OpenOptions;
use std::io::{Result, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes such a file, whatever was there before.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // The mode above is only that of a new file.
    file.set_permissions(PermissionsExt::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}
