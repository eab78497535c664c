//! The credentials that clients use now.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Credentials that are renewed while clients use them. All of them were seen to be of the account.
///
/// Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    credentials: Arc<Mutex<Credentials>>,
    /// AWS refused them, though they had not expired.
    pub(super) refused: Arc<Notify>,
}

impl InForce {
    pub(super) fn new(credentials: Credentials, refused: Arc<Notify>) -> Self {
        Self { credentials: Arc::new(Mutex::new(credentials)), refused }
    }

    pub(super) fn get(&self) -> Credentials {
        self.credentials.lock().clone()
    }

    pub(super) fn replace(&self, credentials: Credentials) {
        *self.credentials.lock() = credentials;
    }
}

impl ProvideCredentials for InForce {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok(self.get()))
    }
}
