//! Accounts, their access keys, and who signed a request.
//!
//! The access key id and the region come from the SigV4 credential scope, as at AWS. The signature itself is not checked.

use std::collections::HashMap;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::{ApiError, Result};

/// An access key. It is made at run time and opens nothing but this simulator.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Looks like one of AWS's long-term access key ids.
    pub access_key_id: String,
    /// 40 characters of base64.
    pub secret_access_key: String,
}

/// One account in one region: what a request can see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) account: String,
    pub(super) region: String,
}

/// The accounts by their access key ids.
#[derive(Debug, Default)]
pub(super) struct Identities {
    accounts: HashMap<String, String>,
}

impl Identities {
    pub(super) fn add(&mut self, account_id: &str) -> Credentials {
        let credentials =
            Credentials { access_key_id: access_key_id(), secret_access_key: STANDARD.encode(random_bytes::<30>()) };
        self.accounts.insert(credentials.access_key_id.clone(), account_id.to_owned());
        credentials
    }

    /// Who asks, from the `Authorization` header. `service` is the name that the scope must have.
    pub(super) fn scope_of(&self, authorization: Option<&str>, service: &str) -> Result<Scope> {
        let authorization = authorization.ok_or_else(ApiError::missing_token)?;
        let credential = credential_of(authorization).ok_or_else(ApiError::incomplete_signature)?;
        let [access_key_id, _date, region, signed_service, "aws4_request"] = credential[..] else {
            return Err(ApiError::incomplete_signature());
        };
        if signed_service != service {
            return Err(ApiError::wrong_service(service));
        }
        let account = self.accounts.get(access_key_id).ok_or_else(ApiError::unrecognized_client)?;
        Ok(Scope { account: account.clone(), region: region.to_owned() })
    }
}

/// The parts of `Credential=` in an `Authorization` header of SigV4.
fn credential_of(authorization: &str) -> Option<Vec<&str>> {
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let credential = fields.split(',').find_map(|field| field.trim().strip_prefix("Credential="))?;
    Some(credential.split('/').collect())
}

/// `AKIA` and 16 of the 32 characters that AWS uses in access key ids.
fn access_key_id() -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let random = random_bytes::<16>();
    let tail = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    "AKIA".chars().chain(tail).collect()
}

/// A random UUID (version 4).
pub(super) fn uuid() -> String {
    let mut bytes = random_bytes::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let value = u128::from_be_bytes(bytes);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        value >> 96,
        (value >> 80) & 0xffff,
        (value >> 64) & 0xffff,
        (value >> 48) & 0xffff,
        value & 0xffff_ffff_ffff
    )
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("AWS-LC's random source does not fail once the process runs");
    bytes
}
