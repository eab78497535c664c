//! The oracles are `ssh-keygen` and `openssl`; all keys are made at test time.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::api::key_pair::KeyAlgorithm;
use crate::ids::Fingerprint;

mod damaged_files;
mod files;
mod private_files;

/// A key pair that `ssh-keygen` made.
pub(crate) struct Key {
    folder: tempfile::TempDir,
}

impl Key {
    pub(crate) fn generate(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        run(Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", "a comment", "-f"])
            .arg(&path)
            .args(args));
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    pub(crate) fn private(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    pub(crate) fn public(&self) -> String {
        std::fs::read_to_string(self.path().with_extension("pub")).unwrap()
    }

    /// The private key with another comment.
    pub(crate) fn commented(&self, comment: &str) -> String {
        run(Command::new("ssh-keygen")
            .args(["-q", "-c", "-P", "", "-C", comment, "-f"])
            .arg(self.path()));
        self.private()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn openssl(script: &str, key: &Path) -> String {
    run(Command::new("sh").arg("-c").arg(script).env("KEY", key))
        .replace("MD5(stdin)= ", "")
        .replace("SHA1(stdin)= ", "")
}

#[test]
fn an_rsa_key_has_the_md5_of_its_subject_public_key_info() {
    let file = Key::generate(&["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let listed =
        openssl("openssl pkey -in $KEY -pubout -outform DER | openssl md5 -c", &file.path());
    let public = PublicKey::parse(&file.public()).unwrap();
    assert_eq!(public.fingerprints().compare(Some(&listed.as_str().into())), Match::Same);
    assert_eq!(public.fingerprints().compare(Some(&listed.to_uppercase().into())), Match::Same);
    let private = PrivateKey::parse(&file.private()).unwrap();
    assert_eq!(private.public().sha256(), public.sha256());
    assert_eq!(private.fingerprints().compare(Some(&listed.as_str().into())), Match::Same);
}

#[test]
fn a_digest_of_the_subject_public_key_info_is_that_of_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    for algorithm in ["RSA", "ED25519"] {
        let [key, other] = [&one, &two].map(|path| {
            openssl(&format!("openssl genpkey -quiet -algorithm {algorithm} -out $KEY"), path);
            let public = openssl("openssl pkey -in $KEY -pubout", path);
            PublicKey::parse(&public).unwrap().fingerprints()
        });
        for (hash, form) in [("md5", Form::Md5), ("sha1", Form::Sha1)] {
            let digest = format!("openssl pkey -in $KEY -pubout -outform DER | openssl {hash} -c");
            let listed = openssl(&digest, &one);
            assert_eq!(Form::of(&listed), form, "{algorithm}: {listed}");
            let listed = Some(Fingerprint::from(listed.as_str()));
            assert_eq!(key.compare(listed.as_ref()), Match::Same, "{algorithm}: {listed:?}");
            assert_eq!(other.compare(listed.as_ref()), Match::Different, "{algorithm}");
        }
    }
}

#[test]
fn a_digest_of_an_ecdsa_key_or_of_a_wire_form_is_that_of_the_key() {
    let spki = "openssl pkey -in $KEY -pubout -outform DER";
    let wire = "cut -d ' ' -f 2 $KEY.pub | base64 -d";
    for (type_, bits, digested) in [
        ("ecdsa", "256", spki),
        ("ecdsa", "384", spki),
        ("ecdsa", "521", spki),
        ("ecdsa", "256", wire),
        ("rsa", "2048", wire),
        ("ed25519", "256", wire),
    ] {
        let [key, other] = [(); 2].map(|()| Key::generate(&["-t", type_, "-b", bits, "-m", "PEM"]));
        let fingerprints = |key: &Key| PublicKey::parse(&key.public()).unwrap().fingerprints();
        for hash in ["md5", "sha1"] {
            let listed = openssl(&format!("{digested} | openssl {hash} -c"), &key.path());
            let listed = Some(Fingerprint::from(listed.as_str()));
            let name = format!("{hash} of {type_} {bits}: {digested}");
            assert_eq!(fingerprints(&key).compare(listed.as_ref()), Match::Same, "{name}");
            assert_eq!(fingerprints(&other).compare(listed.as_ref()), Match::Different, "{name}");
        }
    }
}

#[test]
fn an_rsa_key_that_lightsail_created_has_the_sha1_of_its_pkcs8_form() {
    let file = Key::generate(&["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let listed = openssl(
        "openssl pkcs8 -in $KEY -nocrypt -topk8 -outform DER | openssl sha1 -c",
        &file.path(),
    );
    let pkcs8 = openssl("openssl pkcs8 -in $KEY -nocrypt -topk8", &file.path());
    let pkcs1 = file.private();
    // Whoever saves a key again gets OpenSSH's form of it.
    run(Command::new("ssh-keygen").args(["-q", "-p", "-P", "", "-N", "", "-f"]).arg(file.path()));
    let openssh = file.private();
    assert!(openssh.starts_with("-----BEGIN OPENSSH"), "its form is another one by now");
    for text in [pkcs1, pkcs8, openssh] {
        let private = PrivateKey::parse(&text).unwrap();
        assert_eq!(private.fingerprints().compare(Some(&listed.as_str().into())), Match::Same);
        assert_eq!(
            private.public().fingerprints().compare(Some(&listed.as_str().into())),
            Match::Different,
            "from the public half alone"
        );
    }
}

#[test]
fn an_ed25519_key_has_the_sha256_of_its_wire_form() {
    let file = Key::generate(&["-t", "ed25519"]);
    let printed = run(Command::new("ssh-keygen").arg("-lf").arg(file.path()));
    let sha256 = printed.split(' ').nth(1).unwrap();
    let public = PublicKey::parse(&file.public()).unwrap();
    assert_eq!(public.sha256(), sha256);
    let bare = sha256.trim_start_matches("SHA256:");
    for form in [sha256.to_owned(), bare.to_owned(), format!("{bare}=")] {
        assert_eq!(
            public.fingerprints().compare(Some(&form.as_str().into())),
            Match::Same,
            "{form}"
        );
    }
    assert_eq!(PrivateKey::parse(&file.private()).unwrap().public().sha256(), sha256);
}

#[test]
fn a_fingerprint_is_known_in_each_form_that_people_write_down() {
    let rsa = Key::generate(&["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let listed =
        openssl("openssl pkey -in $KEY -pubout -outform DER | openssl md5 -c", &rsa.path());
    let of_openssh = |hash: &str| {
        let printed = run(Command::new("ssh-keygen").args(["-E", hash, "-lf"]).arg(rsa.path()));
        printed.split(' ').nth(1).unwrap().to_owned()
    };
    let (md5, sha256) = (of_openssh("md5"), of_openssh("sha256"));
    let key = PrivateKey::parse(&rsa.private()).unwrap().fingerprints();
    let sha1 = openssl(
        "openssl pkcs8 -in $KEY -nocrypt -topk8 -outform DER | openssl sha1 -c",
        &rsa.path(),
    );
    let bare = |text: &str| text.replace(':', "");
    for written in [
        &listed,
        &listed.to_uppercase(),
        &bare(&listed),
        &format!(" {listed}\n"),
        &md5,
        &md5.replace("MD5:", ""),
        &sha256,
        &format!("{sha256}="),
        &sha256.replace("SHA256:", ""),
        &sha1,
        &bare(&sha1.to_uppercase()),
        &format!("SHA1:{sha1}"),
    ] {
        assert!(key.include(written), "{written}");
    }
    for other in [
        "",
        ":",
        "SHA256:",
        "MD5:",
        &listed[..listed.len() - 3],
        &sha256.to_uppercase(),
        &listed.replace(&listed[..2], if listed.starts_with("00") { "11" } else { "00" }),
        &format!("{listed}:00"),
    ] {
        assert!(!key.include(other), "{other}");
    }
    let forms = [&*listed, &*sha1, &*sha256, &*md5, "", &listed.to_uppercase(), &bare(&listed)];
    let other = Form::Other;
    let expected = [Form::Md5, Form::Sha1, Form::Sha256, other, other, Form::Md5, other];
    assert_eq!(forms.map(Form::of), expected);
    for (written, expected) in [
        (&*listed, true),
        (&*listed.to_uppercase(), true),
        (&*sha1, false),
        (&*bare(&listed), false),
    ] {
        assert_eq!(is_written(&listed, written), expected, "{written}");
    }
    assert!(is_written(&sha256, &sha256) && !is_written(&sha256, &sha256.to_uppercase()));
}

#[test]
fn what_lightsail_prints_is_another_key_or_nothing_that_can_be_compared() {
    let public = PublicKey::parse(&Key::generate(&["-t", "ed25519"]).public()).unwrap();
    let other = PublicKey::parse(&Key::generate(&["-t", "ed25519"]).public()).unwrap();
    let cases: [(Option<Fingerprint>, Match); 6] = [
        (Some(other.sha256().into()), Match::Different),
        (Some("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff".into()), Match::Different),
        (None, Match::Unknown),
        (Some("".into()), Match::Unknown),
        (Some("something new".into()), Match::Unknown),
        (Some("00:11".into()), Match::Unknown),
    ];
    for (listed, expected) in cases {
        assert_eq!(public.fingerprints().compare(listed.as_ref()), expected, "{listed:?}");
    }
}

#[test]
fn an_ecdsa_key_is_left_to_lightsail() {
    let line = Key::generate(&["-t", "ecdsa"]).public();
    assert_eq!(PublicKey::parse(&line).unwrap().line(), line.trim());
}

#[test]
fn a_private_key_is_read_as_pem_or_as_base64_of_it_and_ends_with_one_newline() {
    let pem = Key::generate(&["-t", "rsa", "-b", "2048", "-m", "PEM"]).private();
    let crlf = pem.trim().replace('\n', "\r\n");
    for text in [pem.trim().to_owned(), format!("{pem}\n\n"), crlf, STANDARD.encode(&pem)] {
        assert_eq!(PrivateKey::parse(&text).unwrap().expose_pem(), pem);
    }
}

#[test]
fn neither_debug_nor_an_error_shows_a_private_key() {
    let pem = Key::generate(&["-t", "rsa", "-b", "2048", "-m", "PEM"]).private();
    let line = pem.lines().nth(3).unwrap().to_owned();
    let key = PrivateKey::parse(&pem).unwrap();
    assert!(!format!("{key:?} {:?}", key.fingerprints()).contains(&line));
    let broken = pem.replace("RSA PRIVATE KEY", "EC PRIVATE KEY");
    let refusal = PrivateKey::parse(&broken).unwrap_err();
    assert!(!format!("{refusal} {refusal:?}").contains(&line));
}

#[test]
fn a_generated_key_is_one_that_ssh_keygen_takes() {
    for (algorithm, type_) in
        [(KeyAlgorithm::Ed25519, "ssh-ed25519"), (KeyAlgorithm::RSA4096, "ssh-rsa")]
    {
        let key = generate(algorithm).unwrap();
        assert!(key.public().line().starts_with(type_));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_private(&path, key.expose_pem());
        let public = run(Command::new("ssh-keygen").arg("-yf").arg(&path));
        assert_eq!(PublicKey::parse(&public).unwrap().sha256(), key.public().sha256());
        assert_ne!(generate(algorithm).unwrap().public().sha256(), key.public().sha256());
    }
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn rsa_keys_of_every_usual_size_are_taken() {
    for bits in [2048_usize, 3072, 4096, 8192] {
        // As RFC 4253 section 6.6 writes it; a modulus need not be one to be parsed, only as long.
        let modulus: Vec<u8> =
            std::iter::once(0).chain(std::iter::repeat_n(0xc5, bits / 8)).collect();
        let mut blob = Vec::new();
        for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], &modulus] {
            blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            blob.extend(part);
        }
        let line = format!("ssh-rsa {} size", STANDARD.encode(blob));
        assert_eq!(PublicKey::parse(&line).unwrap().line(), line, "{bits}");
    }
}
