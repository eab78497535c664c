//! Files with private keys as people have them: what is accepted, and what is reported
//! about the others.

use super::files::{Files, utf16, wrapped};
use super::*;

/// PEM with lines of another length.
fn rewrapped(pem: &str, width: usize) -> String {
    let lines: Vec<&str> = pem.trim().lines().collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let body = lines[1..lines.len() - 1].concat();
    let body = body.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap());
    format!("{first}\n{}\n{last}\n", body.collect::<Vec<_>>().join("\n"))
}

/// With other characters there, as a bad copy has them.
fn changed(pem: &str, at: usize) -> String {
    let mut bytes = pem.as_bytes().to_vec();
    for byte in bytes[at..].iter_mut().filter(|byte| byte.is_ascii_alphanumeric()).take(4) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    String::from_utf8(bytes).unwrap()
}

/// A seed that is not that of the public half.
#[test]
fn i3_the_halves_of_a_private_key_belong_together() {
    let key = Key::generate(&["-t", "ed25519"]);
    let (pem, public) = (key.private(), PublicKey::parse(&key.public()).unwrap().sha256());
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = STANDARD.decode(body).unwrap();
    let mut damaged = 0;
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let pem = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            STANDARD.encode(&bytes)
        );
        match PrivateKey::parse(&pem) {
            // Its comment is no part of the key.
            Ok(key) => assert_eq!(key.public().sha256(), public, "byte {at}"),
            Err(_) => damaged += 1,
        }
    }
    assert!(damaged > 64, "a change of the seed or of a public half is noticed: {damaged}");
    let of = |pem: &str| {
        let key = ssh_key::PrivateKey::from_openssh(pem).unwrap();
        key.key_data().ed25519().unwrap().clone()
    };
    let other = of(&Key::generate(&["-t", "ed25519"]).private());
    let mixed = ssh_key::private::Ed25519Keypair { private: other.private, ..of(&pem) };
    let mixed = ssh_key::PrivateKey::from(mixed).to_openssh(der::pem::LineEnding::LF).unwrap();
    let why = PrivateKey::parse(&mixed).unwrap_err();
    assert_eq!(why, InvalidPrivateKey::Damaged, "both are whole, and of two keys");
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_private_key_is_taken_or_it_is_said_what_the_file_is() {
    use InvalidPrivateKey as Why;
    let ed = ["-t", "ed25519"];
    let rsa_in_pem = ["-t", "rsa", "-b", "2048", "-m", "PEM"];
    let (ed25519, rsa) = (Files::new(&ed), Files::new(&rsa_in_pem));
    let ecdsa = Files::new(&["-t", "ecdsa", "-m", "PEM"]);
    let new_rsa = Files::new(&["-t", "rsa", "-b", "2048"]);
    // `openssl` does not read OpenSSH's form, so this key is its own.
    let pkcs8 = ed25519.sh("openssl genpkey -algorithm ed25519 -out $KEY.pem && cat $KEY.pem");
    let public = ed25519.sh("openssl pkey -in $KEY.pem -pubout");
    let taken: Vec<(&str, String, String)> = vec![
        ("OpenSSH, Ed25519", ed25519.key.private(), ed25519.line()),
        ("with CRLF", ed25519.key.private().replace('\n', "\r\n"), ed25519.line()),
        ("with a byte order mark", format!("\u{feff}{}", ed25519.key.private()), ed25519.line()),
        ("in base64", STANDARD.encode(ed25519.key.private()), ed25519.line()),
        ("in base64, in lines", wrapped(&ed25519.key.private()), ed25519.line()),
        (
            "in base64, twice",
            STANDARD.encode(STANDARD.encode(ed25519.key.private())),
            ed25519.line(),
        ),
        ("lines of 64 characters", rewrapped(&ed25519.key.private(), 64), ed25519.line()),
        ("in one line", rewrapped(&ed25519.key.private(), 10_000), ed25519.line()),
        ("with CR alone", ed25519.key.private().replace('\n', "\r"), ed25519.line()),
        ("OpenSSH, RSA in lines of 76", rewrapped(&new_rsa.key.private(), 76), new_rsa.line()),
        ("PKCS#1 in lines of 76", rewrapped(&rsa.key.private(), 76), rsa.line()),
        ("PKCS#1 in one line", rewrapped(&rsa.key.private(), 10_000), rsa.line()),
        ("of puttygen, Ed25519", ed25519.exported_by_putty(), ed25519.line()),
        ("of puttygen, RSA", rsa.exported_by_putty(), rsa.line()),
        ("OpenSSH, RSA", new_rsa.key.private(), new_rsa.line()),
        ("PKCS#1", rsa.key.private(), rsa.line()),
        ("PKCS#8, RSA", rsa.sh("openssl pkcs8 -in $KEY -nocrypt -topk8"), rsa.line()),
        ("PKCS#8, Ed25519", pkcs8, public),
    ];
    for (name, text, public) in &taken {
        let public = PublicKey::parse(public).unwrap();
        let key = PrivateKey::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(key.public().sha256(), public.sha256(), "{name}");
        let (folder, printed) = (tempfile::tempdir().unwrap(), PathBuf::from("key"));
        let path = folder.path().join(printed);
        write_private(&path, key.expose_pem());
        let half = run(Command::new("ssh-keygen").arg("-yf").arg(&path));
        assert_eq!(PublicKey::parse(&half).unwrap().sha256(), public.sha256(), "{name}, written");
        for to in [u16::to_le_bytes, u16::to_be_bytes] {
            let file = utf16(text, to);
            assert!(PrivateKey::parse_file(&file).is_ok(), "{name} in UTF-16");
        }
    }
    let line = ed25519.line();
    let dsa = "openssl dsaparam -genkey 1024 2>/dev/null | openssl pkcs8 -topk8 -nocrypt";
    let ec = "openssl pkcs8 -in $KEY -nocrypt -topk8";
    let encrypted = "openssl pkcs8 -in $KEY -topk8 -passout pass:abcdef";
    let cases: Vec<(&str, String, Why)> = vec![
        ("OpenSSH with a passphrase", Files::with_passphrase(&ed, "RFC4716"), Why::Passphrase),
        ("PKCS#1 with a passphrase", Files::with_passphrase(&rsa_in_pem, "PEM"), Why::Passphrase),
        ("PKCS#8 with a passphrase", rsa.sh(encrypted), Why::Passphrase),
        ("PuTTY's, version 2", ed25519.putty(&["--ppk-param", "version=2"]), Why::PuTTY),
        ("PuTTY's, version 3", rsa.putty(&["--ppk-param", "version=3"]), Why::PuTTY),
        ("PuTTY's, in base64", STANDARD.encode(rsa.putty(&[])), Why::PuTTY),
        ("OpenSSH, ECDSA", Files::new(&["-t", "ecdsa"]).key.private(), Why::Ecdsa),
        ("ECDSA in PEM", ecdsa.key.private(), Why::Ecdsa),
        ("ECDSA in PKCS#8", ecdsa.sh(ec), Why::Ecdsa),
        ("DSA in PKCS#8", ecdsa.sh(dsa), Why::Unsupported),
        (
            "RSA of 1024 bits, PKCS#1",
            Files::new(&["-t", "rsa", "-b", "1024", "-m", "PEM"]).key.private(),
            Why::TooShort,
        ),
        (
            "RSA of 1024 bits, OpenSSH",
            Files::new(&["-t", "rsa", "-b", "1024"]).key.private(),
            Why::TooShort,
        ),
        (
            "RSA of 1024 bits, PKCS#8",
            rsa.sh("openssl genrsa 1024 2>/dev/null | openssl pkcs8 \
            -nocrypt -topk8"),
            Why::TooShort,
        ),
        (
            "RSA of 2047 bits, as some old programs make it",
            rsa.sh("openssl genrsa 2047 2>/dev/null"),
            Why::TooShort,
        ),
        ("a public key", ed25519.line(), Why::Public),
        ("RFC 4716", rsa.exported("RFC4716"), Why::Public),
        ("a public key in PEM", rsa.exported("PEM"), Why::Public),
        ("two keys", format!("{}{}", rsa.key.private(), ed25519.key.private()), Why::Several),
        ("both halves", format!("{}{line}\n", ed25519.key.private()), Why::NotAlone),
        (
            "behind a certificate",
            rsa.sh("openssl req -x509 -key $KEY -subj /CN=a -days 1 2>/dev/null && cat $KEY"),
            Why::NotAlone,
        ),
        ("behind a comment", format!("# a\n{}", ed25519.key.private()), Why::NotAlone),
        (
            "PKCS#12",
            rsa.sh("openssl req -x509 -key $KEY -subj /CN=a -days 1 2>/dev/null | openssl \
            pkcs12 -export -inkey $KEY -passout pass:abcdef | base64 -w 0"),
            Why::OtherForm,
        ),
        ("of WireGuard", "PrivateKey = AAAA".to_owned(), Why::OtherForm),
        ("PKCS#1 with another number", changed(&rsa.key.private(), 800), Why::Damaged),
        ("OpenSSH, RSA with another number", changed(&new_rsa.key.private(), 1_200), Why::Damaged),
        ("half of it", ed25519.key.private()[..200].to_owned(), Why::Damaged),
        ("half of PKCS#1", rsa.key.private()[..400].to_owned(), Why::Damaged),
        ("another frame", rsa.key.private().replace("RSA PRIVATE", "PRIVATE"), Why::Damaged),
        ("a word", "fleet".to_owned(), Why::Unknown),
        ("JSON", "{\"key\": \"\"}".to_owned(), Why::Unknown),
    ];
    assert_eq!(taken.len() + cases.len(), 48);
    for (name, text, expected) in cases {
        let why = PrivateKey::parse(&text).unwrap_err();
        assert_eq!(why, expected, "{name}");
        for part in text.split_ascii_whitespace().filter(|part| part.len() > 20) {
            assert!(!why.to_string().contains(part), "{name} is not repeated");
        }
    }
}

#[test]
fn a_private_key_is_taken_whatever_its_comment_is() {
    for (comment, kept) in [
        ("ssh-key-2023-01-26", " ssh-key-2023-01-26"),
        ("a\nb", " a b"),
        ("a\n-----BEGIN PUBLIC KEY-----", " a -----BEGIN PUBLIC KEY-----"),
        ("-----BEGIN RSA PRIVATE KEY-----", ""),
        ("", ""),
    ] {
        for type_ in [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "2048"]] {
            let files = Files::new(&[type_, &["-C", comment]].concat());
            let key = PrivateKey::parse(&files.key.private());
            let key = key.unwrap_or_else(|why| panic!("{comment:?}: {why}"));
            let line = files.line();
            let line = line.lines().next().unwrap();
            let public: Vec<&str> = line.split(' ').take(2).collect();
            assert_eq!(key.public().line(), format!("{}{kept}", public.join(" ")));
            assert_eq!(key.expose_pem(), files.key.private(), "the file is kept as it is");
        }
    }
}

#[test]
fn a_comment_of_another_encoding_does_not_damage_a_private_key() {
    for type_ in [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "2048"]] {
        let files = Files::new(type_);
        let text = files.key.private();
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let mut bytes = STANDARD.decode(body).unwrap();
        let at = bytes.windows(9).rposition(|window| window == b"a comment").unwrap();
        // Latin-1.
        bytes[at] = 0xfc;
        let pem = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            STANDARD.encode(&bytes)
        );
        let key = PrivateKey::parse(&pem).unwrap();
        let wanted = PublicKey::parse(&files.line()).unwrap();
        assert_eq!(key.public().sha256(), wanted.sha256());
        assert!(key.public().line().ends_with(" ? comment"), "{}", key.public().line());
        let again = PrivateKey::parse(key.expose_pem()).unwrap();
        assert_eq!(again.expose_pem(), key.expose_pem());
    }
}

/// RSA keys of numbers that no key has, in PKCS#1, PKCS#8 and OpenSSH's form.
fn rsa_of_bits(bits: usize) -> [String; 3] {
    use der::pem::{LineEnding, encode_string};
    use der::{Encode, asn1::UintRef};
    use ssh_key::private::{KeypairData, RsaKeypair, RsaPrivateKey};
    let mut number = vec![0xff; bits.div_ceil(8)];
    number[0] >>= number.len() * 8 - bits;
    let of = |bytes| UintRef::new(bytes).unwrap();
    let small = of(&[3]);
    let pkcs1 = pkcs1::RsaPrivateKey {
        modulus: of(&number),
        public_exponent: small,
        private_exponent: of(&number),
        prime1: small,
        prime2: small,
        exponent1: small,
        exponent2: small,
        coefficient: small,
        other_prime_infos: None,
    };
    let pkcs1 = pkcs1.to_der().unwrap();
    let algorithm = spki::AlgorithmIdentifierRef {
        oid: spki::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
        parameters: Some(der::asn1::AnyRef::NULL),
    };
    let pkcs8 = pkcs8::PrivateKeyInfo::new(algorithm, &pkcs1).to_der().unwrap();
    let number = || ssh_key::Mpint::from_positive_bytes(&number).unwrap();
    let small = || ssh_key::Mpint::from_positive_bytes(&[3]).unwrap();
    let pair = RsaKeypair {
        public: ssh_key::public::RsaPublicKey { e: small(), n: number() },
        private: RsaPrivateKey { d: number(), iqmp: small(), p: small(), q: small() },
    };
    let openssh = ssh_key::PrivateKey::new(KeypairData::Rsa(pair), "").unwrap();
    [
        encode_string("RSA PRIVATE KEY", LineEnding::LF, &pkcs1).unwrap(),
        encode_string("PRIVATE KEY", LineEnding::LF, &pkcs8).unwrap(),
        openssh.to_openssh(LineEnding::LF).unwrap().to_string(),
    ]
}

#[test]
fn an_rsa_key_that_is_too_long_to_be_checked_is_not_called_damaged() {
    for (bits, expected) in [
        (2047, InvalidPrivateKey::TooShort),
        (2048, InvalidPrivateKey::Damaged),
        (8192, InvalidPrivateKey::Damaged),
        (8193, InvalidPrivateKey::TooBig),
        (16_384, InvalidPrivateKey::TooBig),
    ] {
        for (form, text) in rsa_of_bits(bits).into_iter().enumerate() {
            assert_eq!(PrivateKey::parse(&text).unwrap_err(), expected, "{bits} {form}");
        }
    }
}

/// `PuTTY` pads to 16 bytes where OpenSSH pads to 8, so how long its padding is depends on the
/// length of the comment.
#[test]
fn a_private_key_of_puttygen_is_taken_whatever_its_padding() {
    for type_ in [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "2048"]] {
        let files = Files::new(type_);
        let public = PublicKey::parse(&files.line()).unwrap().sha256();
        let paddings = (0..16).map(|length| {
            let comment = "c".repeat(length);
            let text = files.putty(&["-C", &comment, "-O", "private-openssh-new"]);
            let key = PrivateKey::parse(&text).unwrap_or_else(|why| panic!("{comment}: {why}"));
            assert_eq!(key.public().sha256(), public);
            assert!(key.public().line().ends_with(comment.as_str()), "{comment}");
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("key");
            write_private(&path, key.expose_pem());
            let half = run(Command::new("ssh-keygen").arg("-yf").arg(&path));
            assert_eq!(PublicKey::parse(&half).unwrap().sha256(), public, "{comment}, written");
            padding(&text)
        });
        let all: std::collections::BTreeSet<u8> = paddings.collect();
        assert_eq!(all.len(), 16, "as long as the last byte of the file says: {all:?}");
    }
}

/// How long the padding of a private key in OpenSSH's form is; 0 is that of no padding.
fn padding(pem: &str) -> u8 {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let last = STANDARD.decode(body).unwrap().pop().unwrap();
    if last > 16 { 0 } else { last }
}

#[test]
fn a_padding_of_other_bytes_is_damage() {
    let files = Files::new(&["-t", "ed25519"]);
    let text = files.putty(&["-C", "", "-O", "private-openssh-new"]);
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = STANDARD.decode(body).unwrap();
    assert_eq!(bytes.last(), Some(&13), "13 bytes of padding");
    for at in 1..=13 {
        let mut bytes = bytes.clone();
        let last = bytes.len() - at;
        bytes[last] ^= 0x40;
        let pem = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            STANDARD.encode(&bytes)
        );
        let why = PrivateKey::parse(&pem).unwrap_err();
        assert_eq!(why, InvalidPrivateKey::Damaged, "byte {at} from the end");
    }
}

#[test]
fn a_pkcs12_file_is_called_one_and_its_message_leads_to_its_key() {
    let rsa = Files::new(&["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    rsa.sh("openssl req -x509 -key $KEY -subj /CN=a -days 1 2>/dev/null | openssl pkcs12 -export \
            -inkey $KEY -passout pass:abcdef -out $KEY.p12");
    let bytes = std::fs::read(rsa.key.path().with_extension("p12")).unwrap();
    assert_eq!(PrivateKey::parse_file(&bytes).unwrap_err(), InvalidPrivateKey::Pkcs12);
    assert_eq!(PublicKey::parse_file(&bytes).unwrap_err(), InvalidPublicKey::PrivateDer);
    let pkcs12 = "openssl pkcs12 -in $KEY.p12 -password pass:abcdef -nocerts -nodes";
    let key = PrivateKey::parse(&rsa.sh(&format!("{pkcs12} | openssl pkey"))).unwrap();
    let public = PublicKey::parse(&rsa.line()).unwrap();
    assert_eq!(key.public().sha256(), public.sha256());
    // With the attributes that it prints before the key.
    let with_more = rsa.sh(pkcs12);
    assert_eq!(PrivateKey::parse(&with_more).unwrap_err(), InvalidPrivateKey::NotAlone);
    let all = rsa.sh("openssl pkcs12 -in $KEY.p12 -password pass:abcdef -nodes");
    for text in [with_more, all] {
        let key = PrivateKey::find_in_file(text.as_bytes()).unwrap();
        assert_eq!(key.public().sha256(), public.sha256());
    }
}
