//! The settings of `type: Imported`.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::policies::ReplacePolicy;
use crate::api::schema::is_object_name;

/// In a CEL rule: what has a private key in it, in OpenSSH's form or that of ssh.com, in PEM, of
/// PGP or of `PuTTY`. A comment may speak of a private key.
const PRIVATE: &str = "(self.publicKey.contains('PRIVATE KEY') && \
                        self.publicKey.contains('BEGIN ') || \
                        self.publicKey.contains('PuTTY-User-Key'))";
/// A private key in base64: the data of OpenSSH's form; `PuTTY-User` and `PRIVATE KEY-` of a file,
/// whatever stands before them: base64 of a text is one of three, depending on where it begins. And
/// the header of an encrypted file in PEM.
const ENCODED: &str = "b3BlbnNzaC1rZXktdj|UHVUVFktVXNl|B1VFRZLVVzZX|QdVRUWS1Vc2Vy|\
                       UFJJVkFURSBLRVkt|BSSVZBVEUgS0VZLS|QUklWQVRFIEtFWS0t|DEK-Info:";
/// The beginning of a private key in DER, in base64, whatever its length: a SEQUENCE, and in it the
/// version 0, 1 or 3 and what comes next in PKCS#1, PKCS#8, SEC1, DSA and PKCS#12. Or the algorithm
/// with which PKCS#8 is encrypted: 1.2.840.113549.1.5 or .12, in each of three places. Or a key of
/// age.
const IN_DER: &str = "M[A-H].CAQ[AEM][CEw]|MI[GH].AgE[ADB][ABM]|MII..[AQgw]IBA[ADQTwz]|\
                      qhkiG9w0B[BD]|SqGSIb3DQE[FM]|KoZIhvcNAQ[Uw]|AGE-SECRET-KEY-";
/// The beginning of what may be a public key. In base64: the data of OpenSSH's form (`ssh-`,
/// `ecdsa` or `sk-` after a length); a SEQUENCE in DER with the algorithm of a public key, or with
/// the modulus of PKCS#1; the line of a file, PEM, or RFC 4716; and base64 of these.
const PUBLIC: &str = "^\\\\W*(ssh-|ecdsa-|sk-|BEGIN (RSA )?PUBLIC|BEGIN SSH2|AAAA..(N[rz]|Vj)|\
                      M[A-H].w[BDE]|MI[GH].(M[AB]|A[k-o])|MII..([DTjz]A|[AQgw][JK])|\
                      c3NoL|ZWNkc2|c2st|\
                      LS0tLS1CRUdJTiBQVUJM|LS0tLS1CRUdJTiBSU0EgUFVC|LS0tLSBCRUdJTiBTU0gyIFBV|\
                      QUFBQ|YzNOb0|WldOa2M|YzJzd|TFMwdExTMUNSVWRKVGlCUVZVSk|\
                      TFMwdExTMUNSVWRKVGlCU1UwRWdVRlZD|TFMwdExTQkNSVWRKVGlCVFUwZ3lJRkJW)";
/// A line of OpenSSH's form, and another line below it.
const TWO_LINES: &str = r"^\\W*(ssh|ecdsa|sk)-[^\\n]*\\n\\s*[^\\s#]";

/// The settings of `type: Imported`.
// Rules about the key sit here, on its parent, and the field has no pattern: the API server echoes
// the value of the field that breaks a rule, and that value may be a private key that was pasted by
// mistake. It does not echo a value that is too long. Without a length, it would estimate that the
// rules cost too much.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.publicKey) != has(self.publicKeyFrom)")
        .message("spec.imported needs exactly one of publicKey and publicKeyFrom"),
    validation = Rule::new(format!(
        "!has(self.publicKey) || !({PRIVATE} || self.publicKey.matches('{ENCODED}'))"
    ))
        .message("publicKey holds a private key; use its public key, which ssh-keygen -y -f \
                  KEYFILE or puttygen KEY.ppk -O public-openssh prints. Treat the private key as \
                  leaked, and make a new key pair"),
    validation = Rule::new(format!(
        "!has(self.publicKey) || {PRIVATE} || !self.publicKey.matches('{IN_DER}')"
    ))
        .message("publicKey holds a private key; use its public key, which openssl pkey -in FILE \
                  -pubout prints. Treat the private key as leaked, and make a new key pair"),
    validation = Rule::new(format!(
        "!has(self.publicKey) || {PRIVATE} || self.publicKey.matches('{ENCODED}|{IN_DER}') || \
         self.publicKey.matches('{PUBLIC}')"
    ))
        .message("publicKey must be a public key without anything in front of it: the line of a \
                  .pub file, such as ssh-ed25519 AAAA… or ssh-rsa AAAA…, or a key in RFC 4716 or \
                  PEM format; ssh-keygen -y -f KEYFILE prints such a line. If it was a private \
                  key, treat that as leaked"),
    validation = Rule::new(format!(
        "!has(self.publicKey) || {PRIVATE} || !self.publicKey.matches('{TWO_LINES}')"
    ))
        .message("publicKey must be a single key; give one line, as in a .pub file, and create an \
                  object for each key"),
)]
pub struct ImportedKeyPair {
    /// The public key, as in a `.pub` file, for example `ssh-ed25519 AAAAC3Nz… you@example.com`.
    /// Set either this or `publicKeyFrom`.
    ///
    /// RFC 4716, PEM, and base64 of any of these forms are accepted too. The operator checks
    /// Ed25519 and RSA keys, and passes ECDSA keys on: whether Lightsail accepts those is
    /// unverified. A different comment or whitespace does not change the key. `replacePolicy` says
    /// what happens if the key changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub public_key: Option<String>,

    /// The Secret or ConfigMap, in the namespace of this object, from which the operator reads the
    /// public key. Set either this or `publicKey`. The operator notices a change within `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PublicKeySource")]
    pub public_key_from: Option<PublicKeySource>,

    /// What the operator does if the public key changes. Default: `Never`.
    ///
    /// - `Never`: nothing. The object becomes Stalled with the reason `PublicKeyChanged`.
    /// - `Recreate`: it deletes the key pair and imports the new key under the same name. Running
    ///   instances do not get the new key. An adopted key pair is never replaced.
    #[serde(default)]
    pub replace_policy: ReplacePolicy,
}

/// Where a public key is, in the namespace of this object.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
    .message("publicKeyFrom needs exactly one of secretKeyRef and configMapKeyRef"))]
pub struct PublicKeySource {
    /// An entry of a Secret, for example `ssh-publickey` of the Secret `fleet-ssh`. Set either this
    /// or `configMapKeyRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyReference")]
    pub secret_key_ref: Option<KeyReference>,
    /// An entry of a ConfigMap, for example `fleet.pub` of the ConfigMap `ssh-keys`. Set either
    /// this or `secretKeyRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyReference")]
    pub config_map_key_ref: Option<KeyReference>,
}

/// An entry of a Secret or ConfigMap.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReference {
    /// The name of the ConfigMap or Secret, for example `fleet-keys`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(is_object_name("self"))
        .message("name must be that of a Secret or ConfigMap in this namespace: lowercase \
                  letters, digits, - and .; write, for example, fleet-keys"))]
    pub name: String,
    /// The name of the entry in the data of the ConfigMap or Secret, for example `fleet.pub`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && \
                                     !self.startsWith('..')")
        .message("key must be the name of an entry: use only letters, digits, -, _ and ., but \
                  not . alone or .. at the start; write, for example, fleet.pub"))]
    pub key: String,
}
