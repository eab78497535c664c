//! What an account allows, and to whom.

pub mod permission;
