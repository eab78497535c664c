//! What needs no control plane: generated files, the shape of the code, and the calls against the
//! simulator.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod architecture;
mod chart;
mod counts;
mod dashboard;
mod docs;
mod export;
mod generated;
mod iam;
#[path = "../support/iam_files.rs"]
mod iam_files;
#[path = "../support/imports.rs"]
mod imports;
mod lightsail;
#[path = "../support/markdown.rs"]
mod markdown;
mod monitoring;
mod sbom;
mod settings;
mod starts;
mod tenants;
