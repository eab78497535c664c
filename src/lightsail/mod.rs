//! Amazon Lightsail in the words of this project: the only place that knows the AWS SDK.
//!
//! Every call takes and returns domain types, has a time limit, and is counted. If it changes
//! anything, it is logged with its request id. The limiter decides how fast calls are sent. A call
//! that changes something is repeated only if an answer proves that it was not carried out.
//! Otherwise the caller reads the outcome. No decisions here; the plans make them.

mod access_key;
mod account;
mod cached;
mod classify;
mod client;
mod clock;
mod configuration;
mod convert;
mod credentials;
mod credentials_error;
mod current_credentials;
mod denied_reads;
mod endpoint;
mod error;
mod http;
mod identifier;
mod inventory;
mod limiter;
mod listing;
mod opener;
mod pages;
mod purpose;
mod regions;
mod retry;
mod sdk_panics;
mod sender;
mod session;
mod sessions;
mod stable_text;
mod sts;
mod types;
mod usable_credentials;

pub use access_key::{AccessKey, KeySource};
pub use account::Account;
pub use client::Lightsail;
pub use configuration::configuration;
pub use credentials::Sources;
pub use error::{Error, ErrorKind};
pub use http::{HttpOptions, http_client};
pub use inventory::{Inventory, ListNeeds};
pub use listing::Listing;
pub use regions::Regions;
pub use retry::planned_within;
pub use sender::IsWanted;
pub(crate) use session::role;
pub use sessions::{OpenedRegion, Origin, Role, Route, Sessions};
pub use types::{
    Acknowledged, Downloaded, Imported, Instance, KeyPair, ListedPairs, Read, Result, Tags,
};

#[cfg(test)]
pub(crate) mod samples;
