//! What is known of something that may not exist.

/// What a reconciliation knows of something that may not exist. Not read yet is different from
/// absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It was not read yet.
    #[default]
    Unread,
    /// It was read, and it is not there.
    Absent,
    /// It is there.
    Found(T),
}

impl<T> Lookup<T> {
    /// It, if it is known to be there.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Unread | Self::Absent => None,
        }
    }
}

impl<T> From<Option<T>> for Lookup<T> {
    /// What was read just now.
    fn from(read: Option<T>) -> Self {
        read.map_or(Self::Absent, Self::Found)
    }
}
