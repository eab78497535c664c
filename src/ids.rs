//! Names of things in AWS, a type for each: two of them mixed up is the bug that deletes somebody's
//! key.
//!
//! They are kept verbatim, as they came from a spec, a status or an answer of AWS. Nothing here
//! rejects a text: a status or an answer of an unexpected form must compare as different, and not
//! be dropped. The API server checks the fields of a spec.

use std::fmt;
use std::sync::Arc;

/// Declares a newtype over a text that is kept verbatim.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0.into()
            }
        }
    };
}

text_type! {
    /// The id of an AWS account, 12 digits.
    AccountId
}

text_type! {
    /// An AWS region, for example `eu-west-1`.
    Region
}

text_type! {
    /// The name of a key pair in Lightsail, unique in its region among all types of resources.
    KeyPairName
}

text_type! {
    /// An ARN. That of a key pair is `arn:aws:lightsail:<region>:<account>:KeyPair/<uuid>`: it
    /// names one key pair, and not another one that has the same name later.
    Arn
}

text_type! {
    /// A fingerprint exactly as Lightsail prints it, in whatever form. Equal means the same text:
    /// use [`crate::ssh::Fingerprints`] to find out whether it is that of a key.
    Fingerprint
}

text_type! {
    /// The value of the owner tag, `<cluster>/<namespace>/<name>`.
    Owner
}

impl KeyPairName {
    /// The name of every region's default key pair
    /// (<https://docs.aws.amazon.com/lightsail/latest/userguide/understanding-ssh-in-amazon-lightsail.html>).
    pub const DEFAULT: &str = "LightsailDefaultKeyPair";

    /// Whether this is the name of the default key pair, in any case of letters.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0.eq_ignore_ascii_case(Self::DEFAULT)
    }
}

impl Owner {
    /// The owner that an object is.
    #[must_use]
    pub fn new(cluster: &str, namespace: &str, name: &str) -> Self {
        Self(format!("{cluster}/{namespace}/{name}").into())
    }

    /// The id of the cluster, which has no slash.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The namespace and the name of the object.
    #[must_use]
    pub fn object(&self) -> (&str, &str) {
        let object = self.0.split_once('/').map_or("", |(_, object)| object);
        object.split_once('/').unwrap_or_default()
    }
}

/// One account in one region: whatever Lightsail keeps is kept in one of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} in {}", self.account, self.region)
    }
}

/// Names the lane of the queue for objects in a region that use this `LightsailAccount`, or the
/// operator's own credentials: one that fails holds up no other. Cheap to clone. In order, those of
/// a region follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(Arc<(Region, Option<Box<str>>)>);

impl LaneId {
    /// The lane of a region, and an account there if one is named.
    #[must_use]
    pub fn new(region: &str, account: Option<&str>) -> Self {
        Self(Arc::new((region.into(), account.map(Into::into))))
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.0.0
    }

    /// The name of the account.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.0.1.as_deref()
    }
}

/// As `<region>` or `<region>/<account>`.
#[cfg(test)]
impl From<&str> for LaneId {
    fn from(text: &str) -> Self {
        match text.split_once('/') {
            Some((region, account)) => Self::new(region, Some(account)),
            None => Self::new(text, None),
        }
    }
}
