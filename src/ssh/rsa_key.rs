//! Private RSA keys: whether their numbers belong together, so that a damaged one never passes for
//! a copy of the key (I3).

use std::ops::RangeInclusive;

use aws_lc_rs::signature::RsaKeyPair;
use der::asn1::UintRef;
use der::{Decode, Encode};
use ssh_key::private::RsaKeypair;
use zeroize::Zeroizing;

use super::invalid::InvalidPrivateKey;
use super::public_key::PublicKey;

/// The sizes of RSA keys that AWS-LC checks, in bits
/// (<https://docs.rs/aws-lc-rs/latest/aws_lc_rs/rsa/struct.KeyPair.html#method.from_pkcs8>).
const SIZES: RangeInclusive<usize> = 2048..=8192;

/// The longest number of a key, in bytes. Whoever writes a Secret must not make the operator divide
/// numbers without an end.
const LONGEST: usize = *SIZES.end() / 8;

/// The public half of an RSA key in PKCS#1, if all its numbers belong together: AWS-LC checks that.
pub(super) fn rsa_of(pkcs1: &[u8]) -> Option<PublicKey> {
    let key = pkcs1::RsaPrivateKey::from_der(pkcs1).ok()?;
    if refused_size(key.modulus.as_bytes()).is_some() {
        return None;
    }
    RsaKeyPair::from_der(pkcs1).ok()?;
    PublicKey::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

/// Whether a modulus has fewer or more bits than AWS-LC checks.
pub(super) fn refused_size(modulus: &[u8]) -> Option<InvalidPrivateKey> {
    // Its first byte may have leading zeros.
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - unused;
    if bits < *SIZES.start() {
        Some(InvalidPrivateKey::TooShort)
    } else if bits > *SIZES.end() {
        Some(InvalidPrivateKey::TooBig)
    } else {
        None
    }
}

/// An RSA key of OpenSSH's form, which leaves out two numbers, in PKCS#1.
pub(super) fn pkcs1_of(pair: &RsaKeypair) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = |number: &ssh_key::Mpint| {
        let bytes = number.as_positive_bytes().filter(|bytes| bytes.len() <= LONGEST);
        bytes.map(|bytes| Zeroizing::new(bytes.to_vec()))
    };
    let private = &pair.private;
    let (modulus, public) = (bytes(&pair.public.n)?, bytes(&pair.public.e)?);
    let (exponent, coefficient) = (bytes(&private.d)?, bytes(&private.iqmp)?);
    let (prime1, prime2) = (bytes(&private.p)?, bytes(&private.q)?);
    // Both primes are odd.
    let minus_one = |prime: &[u8]| {
        let mut bytes = Zeroizing::new(prime.to_vec());
        if let Some(last) = bytes.last_mut() {
            *last &= 0xfe;
        }
        bytes
    };
    let exponent1 = remainder(&exponent, &minus_one(&prime1))?;
    let exponent2 = remainder(&exponent, &minus_one(&prime2))?;
    let number = |bytes| UintRef::new(bytes).ok();
    let key = pkcs1::RsaPrivateKey {
        modulus: number(&modulus)?,
        public_exponent: number(&public)?,
        private_exponent: number(&exponent)?,
        prime1: number(&prime1)?,
        prime2: number(&prime2)?,
        exponent1: number(&exponent1)?,
        exponent2: number(&exponent2)?,
        coefficient: number(&coefficient)?,
        other_prime_infos: None,
    };
    key.to_der().ok().map(Zeroizing::new)
}

/// The remainder of a division of big-endian numbers, bit by bit; `None` by zero.
fn remainder(number: &[u8], divisor: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if divisor.iter().all(|byte| *byte == 0) {
        return None;
    }
    // One word more, for the bit that a shift puts out.
    let divisor = words(divisor, divisor.len() / 8 + 2);
    let mut rest = Zeroizing::new(vec![0_u64; divisor.len()]);
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        let mut carry = u64::from(bit);
        for word in rest.iter_mut().rev() {
            (carry, *word) = (*word >> 63, *word << 1 | carry);
        }
        if *rest >= *divisor {
            let mut borrow = false;
            for (word, other) in rest.iter_mut().zip(divisor.iter()).rev() {
                let (less, under) = word.overflowing_sub(*other);
                let (less, again) = less.overflowing_sub(u64::from(borrow));
                (*word, borrow) = (less, under || again);
            }
        }
    }
    Some(Zeroizing::new(rest.iter().flat_map(|word| word.to_be_bytes()).collect()))
}

/// A big-endian number of bytes as one of this many words.
fn words(number: &[u8], count: usize) -> Zeroizing<Vec<u64>> {
    let mut words = Zeroizing::new(vec![0; count]);
    for (word, bytes) in words.iter_mut().rev().zip(number.rchunks(8)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

#[cfg(test)]
mod tests {
    use ssh_key::Mpint;
    use ssh_key::private::{RsaKeypair, RsaPrivateKey};
    use ssh_key::public::RsaPublicKey;

    use super::*;

    fn value(bytes: &[u8]) -> u128 {
        bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
    }

    #[test]
    fn numbers_that_no_key_has_are_not_divided() {
        let number = |length: usize| Mpint::from_positive_bytes(&vec![0x7f; length]).unwrap();
        let small = || number(256);
        let of = |long: [usize; 2]| RsaKeypair {
            public: RsaPublicKey { e: small(), n: small() },
            private: RsaPrivateKey {
                d: number(long[0]),
                iqmp: small(),
                p: number(long[1]),
                q: small(),
            },
        };
        for (long, is_read) in [
            ([LONGEST, LONGEST], true),
            ([LONGEST + 1, 128], false),
            ([256, LONGEST + 1], false),
            ([400_000, 360_000], false),
        ] {
            assert_eq!(pkcs1_of(&of(long)).is_some(), is_read, "{long:?}");
        }
    }

    #[test]
    fn a_remainder_is_what_a_division_leaves() {
        for (number, divisor) in [
            (0_u64, 1_u32),
            (1, 1),
            (5, 7),
            (7, 5),
            (u64::MAX, u32::MAX),
            (1 << 63, 3),
            (1_000, 256),
        ] {
            let rest = value(&remainder(&number.to_be_bytes(), &divisor.to_be_bytes()).unwrap());
            assert_eq!(rest, u128::from(number % u64::from(divisor)), "{number} {divisor}");
        }
        for divisor in [1_u128 << 64, u128::MAX / 3, (1 << 127) + 1, 255, 1 << 56] {
            let divisor_bytes = divisor.to_be_bytes();
            let zeros = divisor_bytes.iter().take_while(|byte| **byte == 0).count();
            for bytes in [&divisor_bytes[..], &divisor_bytes[zeros..]] {
                let rest = value(&remainder(&u128::MAX.to_be_bytes(), bytes).unwrap());
                assert_eq!(rest, u128::MAX % divisor, "{divisor}");
            }
        }
        assert!(remainder(&[1], &[0, 0]).is_none());
    }
}
