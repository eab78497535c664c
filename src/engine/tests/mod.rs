//! What tests of several kinds share.

pub(crate) mod search;
