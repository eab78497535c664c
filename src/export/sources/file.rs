//! Opens files that somebody else may have put there: no links, no pipes, no devices, and nothing
//! large.

use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, lstat};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// Larger files are left out: the longest keys have a few kilobytes.
pub(super) const LARGEST: u64 = 1 << 20;

/// Why no key was read from a file.
#[derive(Debug)]
pub(super) enum NoKey {
    /// It has none.
    None,
    /// It has a private key that cannot be read, or it may not be read itself. Its public key may
    /// be in the file beside it.
    Unreadable(String),
    /// What it has is of no use here: other JSON, a certificate. Or it is no file. In a folder that
    /// may be so.
    Unusable(String),
    /// It cannot be read.
    Other(String),
}

impl NoKey {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::None => "it has no key",
            Self::Unreadable(why) | Self::Unusable(why) | Self::Other(why) => why,
        }
    }
}

impl From<Errno> for NoKey {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ACCESS | Errno::PERM => Self::Unreadable("permission denied".to_owned()),
            // It has become one.
            Errno::LOOP => skipped("symlink"),
            error => Self::Other(std::io::Error::from(error).to_string()),
        }
    }
}

fn skipped(what: &str) -> NoKey {
    NoKey::Unusable(format!("skipped ({what})"))
}

/// What a path leads to.
pub(super) enum Opened {
    File(File),
    Folder,
}

/// A file of at most [`LARGEST`] bytes.
pub(super) struct File(std::fs::File);

/// Opens a path.
///
/// # Errors
/// It is something else, or cannot be opened, or is too large.
pub(super) fn open(path: &Path) -> Result<Opened, NoKey> {
    // To open a device may do something, and a socket cannot be opened.
    if is_folder(&lstat(path)?)? {
        return Ok(Opened::Folder);
    }
    // It may be something else by now. NONBLOCK: a pipe without a writer would hold up everything.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty())?;
    if is_folder(&fstat(&handle)?)? {
        Ok(Opened::Folder)
    } else {
        Ok(Opened::File(File(handle.into())))
    }
}

/// Whether it is a folder, and if not, a file that may be read.
fn is_folder(status: &Stat) -> Result<bool, NoKey> {
    match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => Ok(true),
        FileType::RegularFile if u64::try_from(status.st_size).is_ok_and(|it| it <= LARGEST) => {
            Ok(false)
        }
        FileType::RegularFile => Err(skipped("larger than 1 MiB")),
        FileType::Symlink => Err(skipped("symlink")),
        FileType::Fifo => Err(skipped("pipe")),
        FileType::Socket => Err(skipped("socket")),
        FileType::CharacterDevice | FileType::BlockDevice => Err(skipped("device")),
        FileType::Unknown => Err(skipped("neither a file nor a folder")),
    }
}

impl File {
    /// All bytes. They may be a private key.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(&mut self) -> Result<Zeroizing<Vec<u8>>, NoKey> {
        // In one piece, so that no copy stays behind.
        let room = usize::try_from(LARGEST).unwrap_or(usize::MAX);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        let read = self.0.by_ref().take(LARGEST).read_to_end(&mut bytes);
        read.map_err(|error| NoKey::Other(error.to_string()))?;
        Ok(bytes)
    }
}
