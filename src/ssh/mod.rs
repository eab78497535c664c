//! SSH keys: the public key that a user gives, the private key that Lightsail hands out or that is
//! generated here, and their fingerprints in every form that Lightsail prints.
//!
//! Pure. Nothing here logs, and no error repeats its input: that may be a private key that was
//! pasted by mistake (I4).

mod fingerprint;
mod forms;
mod generate;
mod invalid;
mod pem;
mod private_key;
mod public_key;
mod rsa_key;

pub(crate) use forms::{decode, is_private};

pub(crate) use fingerprint::is_fingerprint;
pub use fingerprint::{Fingerprints, Form, Match, is_written};
pub use generate::{GenerationFailed, generate};
pub use invalid::{InvalidPrivateKey, InvalidPublicKey};
pub use private_key::PrivateKey;
pub use public_key::PublicKey;

#[cfg(test)]
pub(crate) mod tests;
