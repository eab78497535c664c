//! Accounts with their access keys, roles and policies, and the sessions that roles give out. Whom
//! a role trusts is in [`role`](super::role).
//!
//! The region and the access key come from the SigV4 credential scope of a request, as at AWS; the
//! check of the signature is in [`signature`](super::signature). Secrets are never shown by
//! `Debug`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::policy::{Policy, Question};
use super::role::KnownRole;
use super::session_tags::SessionTag;

/// An access key. It is made at run time and opens nothing but this simulator.
#[derive(Clone)]
pub struct Credentials {
    /// Looks like one of AWS's long-term access key ids.
    pub access_key_id: String,
    /// 40 characters of base64.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Temporary credentials.
#[derive(Clone)]
pub struct Session {
    /// The access key.
    pub credentials: Credentials,
    /// What goes with it.
    pub token: String,
    /// When they end, by the simulator's clock.
    pub expires: SystemTime,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// One account in one region: what a request can see.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Scope {
    pub(super) account: String,
    pub(super) region: String,
}

/// Who asks.
#[derive(Debug)]
pub(super) struct Principal {
    pub(super) account: String,
    pub(super) arn: String,
    /// `UserId` of `GetCallerIdentity`.
    pub(super) user_id: String,
    /// `aws:PrincipalTag/…`. Roles and users have no tags of their own here.
    pub(super) tags: Vec<SessionTag>,
    /// The role whose policies hold; none for the account's user.
    pub(super) role: Option<String>,
    /// What `AssumeRole` narrowed the session down to.
    pub(super) session_policy: Option<Policy>,
}

impl Principal {
    /// The ARN of the role whose session it is; none for a user.
    pub(super) fn role_arn(&self) -> Option<String> {
        let (_, session) = self.arn.split_once(":assumed-role/")?;
        let (role, _) = session.split_once('/')?;
        Some(format!("arn:aws:iam::{}:role/{role}", self.account))
    }

    /// Adds what policies can ask about it: `aws:PrincipalArn` is the ARN of the role and not of
    /// its session
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>).
    pub(super) fn describe(&self, question: &mut Question) {
        question.add("aws:PrincipalArn", &self.role_arn().unwrap_or_else(|| self.arn.clone()));
        question.add("aws:PrincipalAccount", &self.account);
        for tag in &self.tags {
            question.add(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
        }
    }
}

/// What a signature is checked against.
#[derive(Clone)]
pub(super) struct AccessKey {
    pub(super) secret: String,
    pub(super) session: Option<SessionToken>,
    pub(super) principal: Arc<Principal>,
}

#[derive(Clone)]
pub(super) struct SessionToken {
    pub(super) token: String,
    pub(super) expires: SystemTime,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessKey")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

/// What is known of one account.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Without a policy everything is allowed.
    pub(super) policy: Option<Arc<Policy>>,
    pub(super) roles: BTreeMap<String, KnownRole>,
}

/// The accounts, and all access keys.
#[derive(Debug, Default)]
pub(super) struct Identities {
    pub(super) accounts: BTreeMap<String, Account>,
    keys: HashMap<String, AccessKey>,
}

impl Identities {
    /// New long-term credentials of an account's user.
    pub(super) fn add(&mut self, account_id: &str) -> Credentials {
        self.account_mut(account_id);
        self.issue("AKIA", user(account_id), None)
    }

    /// Long-term credentials of an account's user that somebody else has made.
    pub(super) fn add_known(&mut self, account_id: &str, credentials: &Credentials) {
        self.account_mut(account_id);
        let secret = credentials.secret_access_key.clone();
        let key = AccessKey { secret, session: None, principal: Arc::new(user(account_id)) };
        self.keys.insert(credentials.access_key_id.clone(), key);
    }

    /// Deletes an access key: AWS does not know it any more.
    pub(super) fn remove(&mut self, access_key_id: &str) {
        self.keys.remove(access_key_id);
    }

    /// New temporary credentials, with their token.
    pub(super) fn add_session(
        &mut self,
        principal: Principal,
        expires: SystemTime,
    ) -> (Credentials, String) {
        let token = STANDARD.encode(random_bytes::<96>());
        let session = SessionToken { token: token.clone(), expires };
        (self.issue("ASIA", principal, Some(session)), token)
    }

    fn issue(
        &mut self,
        prefix: &str,
        principal: Principal,
        session: Option<SessionToken>,
    ) -> Credentials {
        let credentials = Credentials {
            access_key_id: access_key_id(prefix),
            secret_access_key: STANDARD.encode(random_bytes::<30>()),
        };
        let secret = credentials.secret_access_key.clone();
        let key = AccessKey { secret, session, principal: Arc::new(principal) };
        self.keys.insert(credentials.access_key_id.clone(), key);
        credentials
    }

    /// The account, which starts to exist with this.
    pub(super) fn account_mut(&mut self, account_id: &str) -> &mut Account {
        self.accounts.entry(account_id.to_owned()).or_default()
    }

    pub(super) fn key(&self, access_key_id: &str) -> Option<&AccessKey> {
        self.keys.get(access_key_id)
    }

    /// Forgets the sessions that have ended more than an hour ago: by then nobody asks which error
    /// they get.
    pub(super) fn forget_sessions(&mut self, now: SystemTime) {
        let hour = std::time::Duration::from_hours(1);
        self.keys.retain(|_, key| {
            key.session.as_ref().is_none_or(|session| session.expires + hour > now)
        });
    }

    /// Adds a role to an account, or replaces it.
    pub(super) fn set_role(&mut self, account_id: &str, known: KnownRole) {
        let name = known.role.name.clone();
        self.account_mut(account_id).roles.insert(name, known);
    }

    /// The policies that all have to allow what this principal asks for.
    pub(super) fn policies_of(&self, principal: &Principal) -> Option<Arc<Policy>> {
        let account = self.accounts.get(&principal.account)?;
        let of_role =
            principal.role.as_ref().and_then(|name| account.roles.get(name)?.policy.clone());
        of_role.or_else(|| account.policy.clone())
    }
}

/// The only user of an account.
fn user(account_id: &str) -> Principal {
    Principal {
        account: account_id.to_owned(),
        arn: format!("arn:aws:iam::{account_id}:user/simulated"),
        user_id: "AIDASIMULATEDUSER".to_owned(),
        tags: Vec::new(),
        role: None,
        session_policy: None,
    }
}

/// A prefix and 16 of the 32 characters that AWS uses in access key ids.
fn access_key_id(prefix: &str) -> String {
    prefix.to_owned() + &random_word()
}

/// 16 of the 32 characters that AWS uses in ids.
pub(super) fn random_word() -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    random_bytes::<16>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
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

pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("AWS-LC's random source does not fail once the process runs");
    bytes
}
