//! An access key, and where one is kept.

use std::fmt;

use futures::future::BoxFuture;

use super::types::Result;

/// An access key.
#[derive(Clone)]
pub struct AccessKey {
    /// The id, which is no secret.
    pub id: String,
    /// The secret part.
    pub secret: String,
    /// The session token of a temporary one.
    pub session_token: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where an access key is kept.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// What it is, as a part of a sentence.
    fn name(&self) -> String;

    /// The key as it is now.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    fn access_key(&self) -> BoxFuture<'_, Result<AccessKey>>;
}
