//! RSA public keys in the forms that others give or want: PKCS#1, OpenSSH and X.509.

use der::Encode;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};
use ssh_key::Mpint;
use ssh_key::public::RsaPublicKey;

/// RFC 8017, appendix A.1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A key of PKCS#1 in the form that OpenSSH uses.
pub(super) fn of_pkcs1(key: pkcs1::RsaPublicKey<'_>) -> Option<RsaPublicKey> {
    let number = |number: UintRef<'_>| Mpint::from_positive_bytes(number.as_bytes()).ok();
    Some(RsaPublicKey { e: number(key.public_exponent)?, n: number(key.modulus)? })
}

/// The DER `SubjectPublicKeyInfo`.
pub(super) fn spki_der(key: &RsaPublicKey) -> Option<Vec<u8>> {
    let public_key = pkcs1::RsaPublicKey {
        modulus: UintRef::new(key.n.as_positive_bytes()?).ok()?,
        public_exponent: UintRef::new(key.e.as_positive_bytes()?).ok()?,
    };
    let public_key = public_key.to_der().ok()?;
    let spki = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) },
        subject_public_key: BitStringRef::from_bytes(&public_key).ok()?,
    };
    spki.to_der().ok()
}
