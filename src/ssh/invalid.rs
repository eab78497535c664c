//! Why a text is no key that can be used: what it is, and how to get what is needed. Nothing of it
//! is repeated.

/// More than the longest RSA key that OpenSSH takes, with a long comment.
pub(super) const MAX_TEXT: usize = 16_384;

/// More than a file with the longest RSA private key, encoded twice. What is longer is not read:
/// that would take others' time.
pub(super) const MAX_PRIVATE: usize = 65_536;

/// Why a text is no public key that can be imported: what it is, and how to get one.
/// Nothing of the text is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicKey {
    /// A private key was given.
    #[error(
        "it is a private key; use its public key, which ssh-keygen -y -f KEYFILE prints. If it \
         was in a spec or a ConfigMap, treat it as leaked, and make a new key pair"
    )]
    Private,
    /// A private key in DER.
    #[error(
        "it is a private key in DER; use its public key, which openssl pkey -inform DER -in FILE \
         -pubout prints. If it was in a spec or a ConfigMap, treat it as leaked, and make a new \
         key pair"
    )]
    PrivateDer,
    /// A private key of `PuTTY`.
    #[error(
        "it is a private key in PuTTY's format; use its public key, which puttygen KEY.ppk -O \
         public-openssh prints, or copy it from PuTTYgen. If it was in a spec or a ConfigMap, \
         treat it as leaked, and make a new key pair"
    )]
    PuTTY,
    /// Empty.
    #[error("it is empty; use the line of a .pub file")]
    Empty,
    /// More than one key, or one that is broken into lines.
    #[error(
        "it has several lines or keys; if it is one key, join its lines; if there are several \
         keys, create an object for each"
    )]
    Lines,
    /// Too long.
    #[error("it is longer than {MAX_TEXT} characters; use only the line of a .pub file")]
    TooLong,
    /// An SSH certificate.
    #[error(
        "it is an SSH certificate; use its public key, from the .pub file without -cert in the \
         name"
    )]
    Certificate,
    /// An X.509 certificate, or a request for one.
    #[error(
        "it is an X.509 certificate or a request for one; use its public key, which openssl x509 \
         -in FILE -pubkey -noout or openssl req -in FILE -pubkey -noout prints"
    )]
    X509,
    /// A PGP key.
    #[error(
        "it is a PGP key; if it has an authentication subkey, gpg --export-ssh-key NAME \
             prints that as an SSH key"
    )]
    Pgp,
    /// A key that lives on a security key.
    #[error(
        "it is the public key of a security key (sk-), which Lightsail does not accept; create \
         another key with ssh-keygen -t ed25519"
    )]
    SecurityKey,
    /// Another kind of key that Lightsail is known to refuse.
    #[error(
        "Lightsail does not accept keys of this type; create another key with ssh-keygen -t \
         ed25519 or ssh-keygen -t rsa -b 4096"
    )]
    Unsupported,
    /// Options of `authorized_keys`, or the host of `known_hosts`, stand in front of the key.
    #[error(
        "there is something in front of the key, as in authorized_keys or known_hosts; use the \
         part that begins with ssh-ed25519 or ssh-rsa"
    )]
    Options,
    /// A fingerprint.
    #[error("it is the fingerprint of a key; use the key itself, the line of the .pub file")]
    Fingerprint,
    /// A URL.
    #[error("it is a URL; use the key at that URL")]
    Url,
    /// The name of a file.
    #[error("it is the name of a file; use the line in that file")]
    FileName,
    /// Nothing that is known.
    #[error(
        "it is not a public key; use the line of a .pub file, for example ssh-ed25519 AAAA… \
         comment"
    )]
    NoType,
    /// Not the data of such a key.
    #[error(
        "its data is incomplete or was changed while it was copied; copy the whole line of the \
         .pub file again, without adding line breaks or spaces"
    )]
    Data,
}

impl InvalidPublicKey {
    /// Whether it is a private key.
    #[must_use]
    pub fn is_private(self) -> bool {
        matches!(self, Self::Private | Self::PrivateDer | Self::PuTTY)
    }
}

/// Why a text is no private key that can be used here. It ends a sentence that begins with where
/// the text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrivateKey {
    /// It has a passphrase.
    #[error(
        "has a passphrase, which the operator does not know; to remove it from a copy of the file, \
         run chmod 600 COPY, and then ssh-keygen -p -f COPY"
    )]
    Passphrase,
    /// A private key of `PuTTY`.
    #[error(
        "is a private key in PuTTY's format; convert it with puttygen KEY.ppk -O private-openssh \
         -o KEYFILE, or in PuTTYgen with Conversions > Export OpenSSH key"
    )]
    PuTTY,
    /// ECDSA.
    #[error("is an ECDSA private key, which the operator cannot read; use an RSA or Ed25519 key")]
    Ecdsa,
    /// A key that lives on a security key.
    #[error("is the handle of a security key (sk-); use an RSA or Ed25519 key")]
    SecurityKey,
    /// Another kind of key that Lightsail is known to refuse.
    #[error("is a key of a type that Lightsail does not accept; use an RSA or Ed25519 key")]
    Unsupported,
    /// An RSA key that AWS-LC does not check.
    #[error("is an RSA key of fewer than 2048 bits; use a longer one, or an Ed25519 key")]
    TooShort,
    /// An RSA key that AWS-LC does not take.
    #[error(
        "is an RSA key of more than 8192 bits, which the operator cannot check; use one of 2048 to \
         4096 bits, or an Ed25519 key"
    )]
    TooBig,
    /// A public key.
    #[error("is a public key or a certificate; the private key belongs there")]
    Public,
    /// Too long.
    #[error(
        "is longer than {MAX_PRIVATE} bytes; save the rest elsewhere, and keep only a private key \
         there"
    )]
    TooLong,
    /// More than one.
    #[error("has more than one private key; save the others elsewhere, and keep only one there")]
    Several,
    /// There is something else too.
    #[error(
        "has something before or after the private key; save that elsewhere, and keep only the \
         key there"
    )]
    NotAlone,
    /// DER.
    #[error("is a private key in DER; openssl pkey -inform DER -in FILE converts it to PEM")]
    Der,
    /// PKCS#12.
    #[error(
        "is a PKCS#12 file; openssl pkcs12 -in FILE -nocerts -nodes | openssl pkey prints the \
         private key in it"
    )]
    Pkcs12,
    /// A private key of another program.
    #[error(
        "is a private key in a form that the operator cannot read; use OpenSSH's format or PEM"
    )]
    OtherForm,
    /// A private key that cannot be read to its end, or whose halves do not belong together.
    #[error(
        "is a damaged private key, cut off or changed; store the file exactly as ssh-keygen wrote \
         it"
    )]
    Damaged,
    /// Nothing that is known.
    #[error(
        "is not a private key in OpenSSH's format or in PEM; store the content of a file such as \
         id_ed25519 there"
    )]
    Unknown,
}
