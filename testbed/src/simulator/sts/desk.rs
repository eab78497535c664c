//! What a request to STS is dealt with.

use std::time::SystemTime;

use super::super::identity::{Identities, Principal};

/// Where requests to STS are dealt with.
#[derive(Debug)]
pub(in super::super) struct Desk<'a> {
    pub(in super::super) identities: &'a mut Identities,
    /// Nobody for operations that need no signature.
    pub(in super::super) caller: Option<&'a Principal>,
    pub(in super::super) region: &'a str,
    /// The switch of this name.
    pub(in super::super) inherited_tags_in_request: bool,
    pub(in super::super) now: SystemTime,
}
