//! The names in `deploy/samples` that the demo shows.

pub(super) const IMPORTED: &str = "fleet";
pub(super) const DEFAULT: &str = "default-eu-west-1";
pub(super) const SECRET: &str = "lightsail-default-eu-west-1";
pub(super) const GENERATED: &str = "deploy";
pub(super) const GENERATED_SECRET: &str = "deploy-ssh";
pub(super) const RESET: &str = "web-1-2026-11-24";
