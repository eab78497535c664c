//! Opens files that somebody else may have put there: no links, no pipes, no devices, and nothing
//! large.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// Larger files are left out: the longest keys have a few kilobytes.
pub(super) const LARGEST: u64 = 1 << 20;

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
pub(super) fn open(path: &Path) -> Result<Opened, String> {
    // NONBLOCK: a pipe without a writer would hold up everything.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        Errno::LOOP => "it is a link, and left out".to_owned(),
        error => std::io::Error::from(error).to_string(),
    })?;
    let status = fstat(&handle).map_err(|error| std::io::Error::from(error).to_string())?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => Ok(Opened::Folder),
        FileType::RegularFile if u64::try_from(status.st_size).is_ok_and(|it| it <= LARGEST) => {
            Ok(Opened::File(File(handle.into())))
        }
        FileType::RegularFile => Err("it is larger than 1 MiB, and left out".to_owned()),
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err("it is no file and no folder, and left out".to_owned()),
    }
}

impl File {
    /// The first bytes.
    pub(super) fn start(&mut self) -> Vec<u8> {
        let mut start = Vec::new();
        // What cannot be read is found out by whoever reads it all.
        let _ = self.0.by_ref().take(256).read_to_end(&mut start);
        let _ = self.0.seek(SeekFrom::Start(0));
        start
    }

    /// All bytes. They may be a private key.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(&mut self) -> Result<Zeroizing<Vec<u8>>, String> {
        // In one piece, so that no copy stays behind.
        let room = usize::try_from(LARGEST).unwrap_or(usize::MAX);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        self.stream().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// A stream of all bytes.
    pub(super) fn stream(&mut self) -> impl Read {
        self.0.by_ref().take(LARGEST)
    }
}
