//! Key files as people have them, made by the programs that make them: what is taken, and what is
//! said of the others.

use super::*;
use InvalidPublicKey as Why;

/// All that is made for one type of key.
pub(super) struct Files {
    pub(super) key: Key,
}

impl Files {
    pub(super) fn new(arguments: &[&str]) -> Self {
        Self { key: Key::generate(arguments) }
    }

    pub(super) fn line(&self) -> String {
        self.key.public().trim().to_owned()
    }

    /// The data alone.
    pub(super) fn data(&self) -> String {
        self.line().split(' ').nth(1).unwrap().to_owned()
    }

    pub(super) fn exported(&self, format: &str) -> String {
        run(Command::new("ssh-keygen").args(["-e", "-m", format, "-f"]).arg(self.key.path()))
    }

    /// The `SubjectPublicKeyInfo` in DER, in base64.
    pub(super) fn spki(&self) -> String {
        if self.line().starts_with("ssh-rsa") {
            return self.sh("openssl pkey -in $KEY -pubout -outform DER | base64 -w 0");
        }
        // RFC 8410, section 4; OpenSSH writes no such file of an Ed25519 key.
        let blob = STANDARD.decode(self.data()).unwrap();
        let start = hex::decode("302a300506032b6570032100").unwrap();
        STANDARD.encode([&start, &blob[blob.len() - 32..]].concat())
    }

    pub(super) fn sh(&self, script: &str) -> String {
        openssl(script, &self.key.path())
    }

    pub(super) fn putty(&self, arguments: &[&str]) -> String {
        let to = self.key.path().with_extension("ppk");
        let mut command = Command::new("puttygen");
        run(command.arg(self.key.path()).args(arguments).arg("-o").arg(&to));
        std::fs::read_to_string(to).unwrap()
    }

    /// What becomes of `PuTTY`'s file if its owner does as the message says.
    pub(super) fn exported_by_putty(&self) -> String {
        self.putty(&[]);
        let (from, to) =
            (self.key.path().with_extension("ppk"), self.key.path().with_extension("o"));
        let mut command = Command::new("puttygen");
        run(command.arg(from).args(["-O", "private-openssh", "-o"]).arg(&to));
        std::fs::read_to_string(to).unwrap()
    }

    pub(super) fn with_passphrase(arguments: &[&str], format: &str) -> String {
        let files = Self::new(arguments);
        run(Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "", "-N", "a passphrase", "-m", format, "-f"])
            .arg(files.key.path()));
        files.key.private()
    }
}

pub(super) fn utf16(text: &str, to: fn(u16) -> [u8; 2]) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(to).collect()
}

/// What is wrapped as base64 prints it.
pub(super) fn wrapped(text: &str) -> String {
    let encoded = STANDARD.encode(text);
    let lines = encoded.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap());
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_public_key_is_taken_in_each_form_that_people_have() {
    let ed25519 = Files::new(&["-t", "ed25519"]);
    let rsa = Files::new(&["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let mut count = 0;
    for files in [&ed25519, &rsa] {
        let line = files.line();
        let wanted = PublicKey::parse(&line).unwrap();
        assert_eq!(wanted.line(), line);
        let rfc4716 = files.exported("RFC4716");
        let der = files.spki();
        let spki = files.sh(&format!("echo {der} | base64 -d | openssl pkey -pubin -inform DER"));
        let mut forms = vec![
            ("the file", files.key.public()),
            ("without its comment", line.rsplit_once(" a comment").unwrap().0.to_owned()),
            ("in spaces", format!(" \t {line} \n\n")),
            ("with CRLF", format!("{line}\r\n")),
            ("with a byte order mark", format!("\u{feff}{line}\n")),
            ("with no-break spaces", line.replace(' ', "\u{a0}")),
            ("with a zero-width space", format!("{line}\u{200b}")),
            ("below a comment", format!("# fleet\n\n{line}\n")),
            ("RFC 4716", rfc4716.clone()),
            ("RFC 4716 with CRLF", rfc4716.replace('\n', "\r\n")),
            (
                "RFC 4716 with long headers",
                rfc4716.replacen("Comment: ", "Subject: a\\\nb\nx-own: c\nComment: ", 1),
            ),
            ("RFC 4716 without headers", {
                let lines = rfc4716.lines().filter(|line| !line.starts_with("Comment"));
                lines.collect::<Vec<_>>().join("\n")
            }),
            ("of puttygen, RFC 4716", files.putty(&["-O", "public"])),
            ("of puttygen, OpenSSH", files.putty(&["-O", "public-openssh"])),
            ("PEM", spki.clone()),
            ("PEM, indented", spki.replace('\n', "\n    ")),
            ("PEM with CRLF", spki.replace('\n', "\r\n")),
            ("PEM in one line of base64", {
                let body: String = spki.lines().filter(|line| !line.starts_with('-')).collect();
                format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----")
            }),
            ("DER in base64", der.clone()),
            ("DER in base64, in lines", {
                let lines = der.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap());
                lines.collect::<Vec<_>>().join("\n")
            }),
            ("the data alone", files.data()),
            ("the data without padding", files.data().trim_end_matches('=').to_owned()),
            ("base64 of the file", STANDARD.encode(files.key.public())),
            ("base64 of it, in lines", wrapped(&files.key.public())),
            ("base64 of PEM", STANDARD.encode(&spki)),
            ("base64 of RFC 4716, in lines", wrapped(&rfc4716)),
            ("base64 of base64", STANDARD.encode(STANDARD.encode(&line))),
            ("in quotes", format!("\"{line}\"")),
            ("in the quotes of a word processor", format!("“{line}”")),
            ("PEM in one line", spki.replace('\n', " ")),
            ("PEM with the line breaks of JSON", spki.replace('\n', "\\n")),
            ("PEM behind what openssl says", format!("writing RSA key\n{spki}")),
            ("with a word about private keys", format!("{line} my PRIVATE KEY")),
            ("with a word that begins as types do", format!("{line} ssh-key-2023-01-26")),
            ("with another such word", format!("{line} sk-ssh-host, ssh-rsa key")),
            (
                "RFC 4716 with a word about secret keys",
                rfc4716.replacen("Comment: ", "Comment: deploy secret key\\\n PRIVATE_KEY ", 1),
            ),
            ("base64 of it with what is not seen", STANDARD.encode(format!("{line} \0\u{7f}"))),
        ];
        if line.starts_with("ssh-rsa") {
            forms.push(("PKCS#1", files.exported("PEM")));
            forms.push(("PKCS#1 of openssl", files.sh("openssl rsa -in $KEY -RSAPublicKey_out")));
        }
        for (form, text) in &forms {
            let key = PublicKey::parse(text).unwrap_or_else(|why| panic!("{form}: {why}"));
            assert_eq!(key.sha256(), wanted.sha256(), "{form}");
            assert_eq!(key.fingerprints(), wanted.fingerprints(), "{form}");
            let again = PublicKey::parse(key.line()).unwrap();
            assert_eq!(again.line(), key.line(), "{form}");
        }
        for to in [u16::to_le_bytes, u16::to_be_bytes] {
            let file = utf16(&format!("{line}\r\n"), to);
            let read = |file| PublicKey::parse_file(file).unwrap();
            assert_eq!(read(&file).line(), wanted.line(), "UTF-16");
            assert_eq!(read(&file[2..]).line(), wanted.line(), "without its mark");
        }
        let der = STANDARD.decode(files.spki()).unwrap();
        assert_eq!(PublicKey::parse_file(&der).unwrap().sha256(), wanted.sha256(), "DER");
        let other = [line.as_bytes(), b" J\xfcrgen"].concat();
        assert_eq!(PublicKey::parse_file(&other).unwrap().sha256(), wanted.sha256(), "Latin-1");
        count += forms.len() + 6;
    }
    assert_eq!(count, 88);
}

#[test]
fn an_ecdsa_key_is_the_same_in_each_form() {
    for bits in ["256", "384", "521"] {
        let files = Files::new(&["-t", "ecdsa", "-b", bits, "-m", "PEM"]);
        let wanted = PublicKey::parse(&files.line()).unwrap();
        let der = files.sh("openssl pkey -in $KEY -pubout -outform DER | base64 -w 0");
        for (form, text) in [
            ("RFC 4716", files.exported("RFC4716")),
            ("PEM", files.exported("PKCS8")),
            ("PEM of openssl", files.sh("openssl pkey -in $KEY -pubout")),
            ("DER in base64", der.clone()),
            ("the data alone", files.data()),
        ] {
            let key = PublicKey::parse(&text).unwrap_or_else(|why| panic!("{form}: {why}"));
            assert_eq!(key.sha256(), wanted.sha256(), "{bits}: {form}");
            assert_eq!(key.fingerprints(), wanted.fingerprints(), "{bits}: {form}");
            assert!(key.line().starts_with(&format!("ecdsa-sha2-nistp{bits} ")), "{form}");
        }
        let der = STANDARD.decode(der).unwrap();
        assert_eq!(PublicKey::parse_file(&der), Ok(wanted), "{bits}: DER");
    }
}

#[test]
fn the_length_of_a_text_is_counted_in_characters() {
    let line = Files::new(&["-t", "ed25519"]).line();
    let commented = |characters: usize| {
        let comment = "ü".repeat(characters - line.chars().count() - 1);
        PublicKey::parse(&format!("{line} {comment}"))
    };
    assert_eq!(commented(16_384).map(|key| key.line().chars().count()), Ok(16_384));
    assert_eq!(commented(16_385), Err(Why::TooLong));
    let said = "ü".repeat(9_000);
    let pem = Files::new(&["-t", "rsa", "-b", "2048", "-m", "PEM"]).exported("PKCS8");
    assert!(PublicKey::parse(&format!("{said}\n{pem}")).is_ok(), "PEM behind what is said");
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn of_what_is_no_public_key_it_is_said_what_it_is() {
    let ed25519 = Files::new(&["-t", "ed25519"]);
    let rsa = Files::new(&["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let ecdsa = Files::new(&["-t", "ecdsa", "-m", "PEM"]);
    let line = ed25519.line();
    let data = ed25519.data();
    let private = ed25519.key.private();
    let certificate = "openssl req -x509 -key $KEY -subj /CN=a -days 1 2>/dev/null";
    let request = "openssl req -new -key $KEY -subj /CN=a 2>/dev/null";
    let pkcs8 = rsa.sh("openssl pkcs8 -in $KEY -nocrypt -topk8");
    let der = rsa.sh("openssl pkcs8 -in $KEY -nocrypt -topk8 -outform DER | base64 -w 0");
    let pkcs1 = rsa.sh("openssl rsa -in $KEY -traditional -outform DER 2>/dev/null | base64 -w 0");
    let half = format!("{}\\\n{}", &pkcs1[..30], &pkcs1[30..]);
    let body: String = private.lines().filter(|line| !line.starts_with('-')).collect();
    let sha256 = PublicKey::parse(&line).unwrap().sha256();
    let of_ssh_com = "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ---- P2/56wAAA+4AAAA3aWYtbW9kbntz";
    let ed = ["-t", "ed25519"];
    let old = ["-t", "rsa", "-b", "2048"];
    let cases: Vec<(&str, String, Why)> = vec![
        ("OpenSSH's private key", private.clone(), Why::Private),
        ("ssh.com's private key", of_ssh_com.to_owned(), Why::Private),
        ("ssh.com's behind a public key", format!("{line} {of_ssh_com}"), Why::Private),
        ("with CRLF", private.replace('\n', "\r\n"), Why::Private),
        ("with a byte order mark", format!("\u{feff}{private}"), Why::Private),
        ("in base64", STANDARD.encode(&private), Why::Private),
        ("in base64, in lines", wrapped(&private), Why::Private),
        ("without its frame", body, Why::Private),
        ("with a passphrase", Files::with_passphrase(&ed, "RFC4716"), Why::Private),
        ("PKCS#1", rsa.key.private(), Why::Private),
        ("PKCS#1 with a passphrase", Files::with_passphrase(&old, "PEM"), Why::Private),
        ("PKCS#1, DER in base64", pkcs1.clone(), Why::Private),
        ("PKCS#8", pkcs8, Why::Private),
        ("PKCS#8 with a passphrase", Files::with_passphrase(&old, "PKCS8"), Why::Private),
        ("PKCS#8, DER in base64", der, Why::Private),
        ("an EC private key", ecdsa.key.private(), Why::Private),
        ("both halves", format!("{line}\n{private}"), Why::Private),
        ("in base64, twice", STANDARD.encode(STANDARD.encode(&private)), Why::Private),
        ("its data in the comment", format!("{line} {pkcs1}"), Why::Private),
        ("its data behind a type", format!("ssh-rsa {pkcs1}"), Why::Private),
        (
            "its lines behind a type",
            rsa.key
                .private()
                .replace("-----BEGIN RSA PRIVATE KEY-----", "ssh-rsa")
                .replace("-----END RSA PRIVATE KEY-----", "")
                .replace('\n', " "),
            Why::Private,
        ),
        (
            "its file in base64 behind a type",
            format!("ssh-rsa {}", STANDARD.encode(format!("\n{private}"))),
            Why::Private,
        ),
        (
            "PuTTY's in base64 behind a type",
            format!("ssh-rsa {}", STANDARD.encode(ed25519.putty(&[]))),
            Why::PuTTY,
        ),
        (
            "an encrypted one in the comment",
            format!("{line} -----BEGIN RSA PRIVATE KEY----- Proc-Type: 4,ENCRYPTED AAAA"),
            Why::Private,
        ),
        (
            "its data in a header",
            rsa.exported("RFC4716").replacen("Comment: ", &format!("x-own: {pkcs1}\nComment: "), 1),
            Why::Private,
        ),
        (
            "its data in the lines of a header",
            rsa.exported("RFC4716").replacen("Comment: ", &format!("Comment: {half}"), 1),
            Why::Private,
        ),
        ("below RFC 4716", format!("{}\n{private}", rsa.exported("RFC4716")), Why::Private),
        (
            "below its headers",
            rsa.exported("RFC4716").replacen("Comment: ", &format!("{private}\nComment: "), 1),
            Why::Private,
        ),
        ("PKCS#1 without its first line", rsa.key.private()[32..].to_owned(), Why::Private),
        ("in capitals", rsa.key.private().to_lowercase(), Why::Private),
        (
            "EC, DER in base64",
            ecdsa.sh("openssl ec -in $KEY -outform DER 2>/dev/null | base64 -w 0"),
            Why::Private,
        ),
        (
            "encrypted, DER in base64",
            rsa.sh("openssl pkcs8 -in $KEY -topk8 -passout pass:abcdef \
            -outform DER | base64 -w 0"),
            Why::Private,
        ),
        (
            "PKCS#12",
            rsa.sh("openssl req -x509 -key $KEY -subj /CN=a -days 1 2>/dev/null | openssl \
            pkcs12 -export -inkey $KEY -passout pass:abcdef | base64 -w 0"),
            Why::Private,
        ),
        ("DER in digits", hex::encode(STANDARD.decode(&pkcs1).unwrap()), Why::Private),
        ("JSON of AWS", format!("{{\"privateKeyBase64\": \"{pkcs1}\"}}"), Why::Private),
        ("JWK", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne\"}".to_owned(), Why::Private),
        ("of age", "AGE-SECRET-KEY-1QQQ".to_owned(), Why::Private),
        ("of WireGuard", "[Interface]\nPrivateKey = AAAA".to_owned(), Why::Private),
        ("PuTTY's, version 2", ed25519.putty(&["--ppk-param", "version=2"]), Why::PuTTY),
        ("PuTTY's, version 3", ed25519.putty(&["--ppk-param", "version=3"]), Why::PuTTY),
        ("PuTTY's, in base64", STANDARD.encode(ed25519.putty(&[])), Why::PuTTY),
        ("nothing", " \n".to_owned(), Why::Empty),
        ("a comment", "# fleet\n".to_owned(), Why::Empty),
        ("a byte order mark", "\u{feff}".to_owned(), Why::Empty),
        ("two keys", format!("{line}\n{}\n", rsa.line()), Why::Lines),
        ("two keys in one line", format!("{line} {}", rsa.line()), Why::Lines),
        ("two with a comma", format!("{line}, {}", rsa.line()), Why::Lines),
        ("one and a half in one line", format!("{line} {}", &rsa.line()[..41]), Why::Lines),
        ("a key that a terminal broke", format!("{}\n{}", &line[..40], &line[40..]), Why::Lines),
        (
            "two in RFC 4716",
            [rsa.exported("RFC4716"), rsa.exported("RFC4716")].join("\n"),
            Why::Lines,
        ),
        ("two in PEM", [rsa.exported("PEM"), rsa.exported("PEM")].join("\n"), Why::Lines),
        ("a novel", "a".repeat(1_000_000), Why::TooLong),
        ("options", format!("no-pty,command=\"echo hi\" {line}"), Why::Options),
        ("a line of known_hosts", format!("web-1,10.0.0.1 {line}"), Why::Options),
        ("a marker of known_hosts", format!("@cert-authority *.example.com {line}"), Why::Options),
        (
            "an SSH certificate",
            format!("ssh-ed25519-cert-v01@openssh.com {data}"),
            Why::Certificate,
        ),
        ("an X.509 certificate", rsa.sh(certificate), Why::X509),
        ("a request for one", rsa.sh(request), Why::X509),
        (
            "a PGP key",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ\n-----END PGP PUBLIC KEY \
            BLOCK-----"
                .to_owned(),
            Why::Pgp,
        ),
        ("a security key", format!("sk-ssh-ed25519@openssh.com {data}"), Why::SecurityKey),
        ("another one", format!("sk-ecdsa-sha2-nistp256@openssh.com {data}"), Why::SecurityKey),
        ("DSA", format!("ssh-dss {data}"), Why::Unsupported),
        ("Ed448", format!("ssh-ed448 {data}"), Why::Unsupported),
        (
            "EC on another curve",
            ecdsa.sh("openssl ecparam -name secp256k1 -genkey -noout | openssl ec -pubout"),
            Why::Unsupported,
        ),
        (
            "EC with a compressed point",
            ecdsa.sh("openssl ec -in $KEY -pubout -conv_form compressed"),
            Why::Unsupported,
        ),
        ("a fingerprint", sha256.clone(), Why::Fingerprint),
        ("an MD5 one", "MD5:00:11:22".to_owned(), Why::Fingerprint),
        (
            "what ssh-keygen -l prints",
            format!("256 {sha256} a comment (ED25519)"),
            Why::Fingerprint,
        ),
        ("one in pairs", ["1f"; 16].join(":"), Why::Fingerprint),
        ("a URL", "https://github.com/somebody.keys".to_owned(), Why::Url),
        ("a file's name", "~/.ssh/id_ed25519.pub".to_owned(), Why::FileName),
        ("another one", "/etc/ssh/key".to_owned(), Why::FileName),
        ("a word", "fleet".to_owned(), Why::NoType),
        ("JSON", format!("{{\"key\": \"{data}\"}}"), Why::NoType),
        ("a placeholder", "<your public key>".to_owned(), Why::NoType),
        ("a type that is not its data's", format!("ssh-rsa {data}"), Why::Data),
        ("another one", format!("ecdsa-sha2-nistp256 {data}"), Why::Data),
        ("half of it", format!("ssh-ed25519 {}", &data[..40]), Why::Data),
        ("half of an ECDSA key", ecdsa.line()[..ecdsa.line().len() - 60].to_owned(), Why::Data),
        ("its type alone", "ssh-ed25519".to_owned(), Why::Data),
        ("cut RFC 4716", rsa.exported("RFC4716")[..200].to_owned(), Why::Data),
        ("cut PEM", rsa.exported("PEM")[..200].to_owned(), Why::Data),
    ];
    assert_eq!(cases.len(), 82);
    for (name, text, expected) in cases {
        let why = PublicKey::parse(&text).unwrap_err();
        assert_eq!(why, expected, "{name}");
        for part in text.split_ascii_whitespace().filter(|part| part.len() > 20) {
            assert!(!why.to_string().contains(part), "{name} is not repeated");
        }
    }
    let der = STANDARD.decode(&pkcs1).unwrap();
    assert_eq!(PublicKey::parse_file(&der), Err(Why::PrivateDer), "DER");
    assert_eq!(PrivateKey::parse_file(&der).map(drop), Err(InvalidPrivateKey::Der));
    let novel = vec![b'a'; 65_537];
    assert_eq!(PrivateKey::parse_file(&novel).map(drop), Err(InvalidPrivateKey::TooLong));
    assert_eq!(PrivateKey::parse_file(&novel[1..]).map(drop), Err(InvalidPrivateKey::Unknown));
    for bytes in [&[0x80_u8, 0x81][..], &[0xff, 0xfe, 0x00, 0xd8], &[0xff]] {
        assert!(PublicKey::parse_file(bytes).is_err());
    }
}

#[test]
fn a_comment_that_ends_with_a_quote_is_taken_again_as_it_was() {
    let files = Files::new(&["-t", "ed25519"]);
    let (line, rfc4716) = (files.line(), files.exported("RFC4716"));
    for comment in ["it's", "theirs'", "'theirs' \"", "\" 'a' ` '"] {
        let header = rfc4716.lines().find(|line| line.starts_with("Comment: ")).unwrap();
        for file in [
            rfc4716.replacen(header, &format!("Comment: {comment}"), 1),
            line.replacen("a comment", comment, 1),
        ] {
            let key = PublicKey::parse_file(file.as_bytes()).unwrap();
            assert_eq!(PublicKey::parse(key.line()).unwrap().line(), key.line(), "{file}");
        }
    }
}

#[test]
fn a_header_may_span_thousands_of_lines() {
    let files = Files::new(&["-t", "ed25519"]);
    let (line, rfc4716) = (files.line(), files.exported("RFC4716"));
    let header = rfc4716.lines().find(|line| line.starts_with("Comment: ")).unwrap();
    let letters = "\\\n".repeat(3_000);
    for (name, comment) in [
        ("in the middle", format!("a {letters}comment")),
        ("before it", format!("{letters}a comment")),
        ("behind it", format!("a comment{letters}\n")),
        ("letter by letter", "a c\\\no\\\nm\\\nm\\\ne\\\nn\\\nt".to_owned()),
    ] {
        let file = rfc4716.replacen(header, &format!("Comment: {comment}\n"), 1);
        let key =
            PublicKey::parse_file(file.as_bytes()).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(key.line(), line.trim(), "{name}");
    }
}
