//! Private RSA keys: whether their numbers belong together, so that a damaged one never passes for
//! a copy of the key (I3).

use aws_lc_rs::signature::RsaKeyPair;
use der::asn1::UintRef;
use der::{Decode, Encode};
use ssh_key::private::RsaKeypair;
use zeroize::Zeroizing;

use super::public_key::PublicKey;

/// The public half of an RSA key in PKCS#1, if all its numbers belong together: AWS-LC checks that.
pub(super) fn rsa_of(pkcs1: &[u8]) -> Option<PublicKey> {
    RsaKeyPair::from_der(pkcs1).ok()?;
    let key = pkcs1::RsaPrivateKey::from_der(pkcs1).ok()?;
    PublicKey::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

/// Whether the modulus has fewer bits than AWS-LC checks.
pub(super) fn is_short(modulus: &[u8]) -> bool {
    // Its first byte may have leading zeros.
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    modulus.len() * 8 - unused < 2048
}

/// An RSA key of OpenSSH's form, which leaves out two numbers, in PKCS#1.
pub(super) fn pkcs1_of(pair: &RsaKeypair) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = |number: &ssh_key::Mpint| {
        number.as_positive_bytes().map(|bytes| Zeroizing::new(bytes.to_vec()))
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
    // One byte more, for the bit that a shift puts out.
    let divisor = Zeroizing::new([&[0], divisor].concat());
    let mut rest = Zeroizing::new(vec![0_u8; divisor.len()]);
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        let mut carry = bit;
        for byte in rest.iter_mut().rev() {
            (carry, *byte) = (*byte >> 7, *byte << 1 | carry);
        }
        if *rest >= *divisor {
            let mut borrow = false;
            for (byte, other) in rest.iter_mut().zip(divisor.iter()).rev() {
                let (less, under) = byte.overflowing_sub(*other);
                let (less, again) = less.overflowing_sub(u8::from(borrow));
                (*byte, borrow) = (less, under || again);
            }
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::remainder;

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
            let rest = remainder(&number.to_be_bytes(), &divisor.to_be_bytes()).unwrap();
            let rest = rest.iter().fold(0_u64, |rest, byte| rest << 8 | u64::from(*byte));
            assert_eq!(rest, number % u64::from(divisor), "{number} {divisor}");
        }
        assert!(remainder(&[1], &[0, 0]).is_none());
    }
}
