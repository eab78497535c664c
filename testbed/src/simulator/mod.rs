//! Lightsail's key pair and host key operations, and the part of STS that a client needs, on
//! loopback.
//!
//! The simulator answers as Lightsail is documented or known to answer, awkward parts included, and
//! not as its users would like it to. Where nobody knows, a [`Switches`] field gives both answers.
//! It keeps everything in memory, knows nothing of the operator, and never puts a private key into
//! its logs.
//!
//! ```text
//! server → wire (what is asked) → admit (signature, limits) → faults → authorize
//!        → operations → state
//! ```

mod admin;
mod admit;
mod authorize;
mod clock;
mod connection;
mod dump;
mod error;
mod fault;
mod handle;
mod host_keys;
mod identity;
mod imported;
mod input;
mod instances;
mod key_material;
mod key_pairs;
mod ledger;
mod limits;
mod operation_lookups;
mod operations;
mod pages;
mod policy;
mod region;
mod regions;
mod request_log;
mod resource;
mod role;
mod rsa_key;
mod server;
mod session_tags;
mod shared;
mod signature;
mod state;
mod sts;
mod switches;
mod tagging;
mod tags;
mod wire;
mod xml;

pub use self::fault::{Fault, FaultEffect, FaultHandle, FaultPoint};
pub use self::handle::{Options, Simulator};
pub use self::identity::{Credentials, Session};
pub use self::ledger::Operation;
pub use self::region::Region;
pub use self::request_log::Request;
pub use self::resource::{KeyPair, KeyPairChange, NewInstance, Platform};
pub use self::role::{Role, WebIdentity};
pub use self::sts::Pod;
pub use self::switches::{
    Ed25519Fingerprint, ImportOperationType, MismatchError, OperationStatus, RsaFingerprint, Setup,
    Switches,
};
