//! Files and folders as people have them, and as somebody hostile puts them there.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::*;
use crate::api::key_pair::KeyAlgorithm;
use crate::export::samples::Said;
use crate::ssh::generate;

/// A folder, and what is read of it.
struct Ground {
    folder: tempfile::TempDir,
    said: Said,
    report: Report,
    keys: Keys,
}

impl Ground {
    fn new() -> Self {
        let said = Said::default();
        let report = Report::new(said.clone());
        Self { folder: tempfile::tempdir().unwrap(), said, report, keys: Keys::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Reads a path, and what was said of it, with the number of keys and errors so far.
    fn add(&mut self, path: &Path) -> (usize, usize, String) {
        add_path(path, &mut self.keys, &self.report);
        let said = self.said.take();
        (self.keys.len(), self.report.errors(), said)
    }

    fn add_name(&mut self, name: &str) -> (usize, usize, String) {
        self.add(&self.path(name))
    }
}

fn pipe(path: &Path) {
    let (cwd, type_) = (rustix::fs::CWD, rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(cwd, path, type_, rustix::fs::Mode::RUSR, 0).unwrap();
}

/// A text as PowerShell and editors of Windows write it.
fn as_windows_writes(text: &str) -> [(&'static str, Vec<u8>); 6] {
    let utf16 = |text: &str, to: fn(u16) -> [u8; 2]| -> Vec<u8> {
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(to).collect()
    };
    let crlf = text.replace('\n', "\r\n");
    [
        ("CRLF", crlf.clone().into_bytes()),
        ("UTF-8 with a mark", format!("\u{feff}{text}").into_bytes()),
        ("UTF-8 with a mark and CRLF", format!("\u{feff}{crlf}").into_bytes()),
        ("UTF-16", utf16(text, u16::to_le_bytes)),
        ("UTF-16 with CRLF", utf16(&crlf, u16::to_le_bytes)),
        ("UTF-16, the other way round", utf16(&crlf, u16::to_be_bytes)),
    ]
}

fn key() -> crate::ssh::PrivateKey {
    generate(KeyAlgorithm::Ed25519).unwrap()
}

#[test]
fn keys_are_found_in_every_kind_of_file() {
    let mut ground = Ground::new();
    let (public, private, one, two) = (key(), key(), key(), key());
    ground.write("a.pub", public.public().line());
    ground.write("id_ed25519", private.expose_pem());
    let lines = format!(
        "# fleet\n{}\n\nrestrict,command=\"a b\" {} x\n",
        one.public().line(),
        two.public().line()
    );
    ground.write("authorized_keys", lines);
    for (name, count) in [("a.pub", 1), ("id_ed25519", 2), ("authorized_keys", 4)] {
        assert_eq!(ground.add_name(name), (count, 0, String::new()), "{name}");
    }
    let form = private.fingerprints().forms()[0].clone();
    let found = ground.keys.find(&form.as_str().into()).unwrap();
    assert_eq!(found.locations[0].to_string(), ground.path("id_ed25519").display().to_string());
    let form = two.public().fingerprints().forms()[0].clone();
    let found = ground.keys.find(&form.as_str().into()).unwrap();
    assert!(found.locations[0].to_string().ends_with("authorized_keys:4"), "{:?}", found.locations);
}

#[test]
fn keys_are_found_however_windows_writes_the_file() {
    let (one, two) = (key(), key());
    let (line, other) = (one.public().line(), two.public().line());
    let state = |path: &str| {
        serde_json::json!({ "version": 4, "resources": [{ "mode": "managed",
            "type": "aws_lightsail_key_pair", "name": path, "instances": [
                { "attributes": { "public_key": line } }, { "attributes": { "public_key": other } }
            ] }] })
    };
    let pretty = format!("{:#}\n", state("a"));
    let shown = format!(
        "{:#}\n",
        serde_json::json!({ "format_version": "1.0", "values": { "root_module": { "resources": [{
            "mode": "managed", "type": "aws_lightsail_key_pair",
            "values": { "public_key": line } }] } } })
    );
    for (name, text, count) in [
        ("a.pub", format!("{line}\n"), 1),
        ("authorized_keys", format!("# ours\n{line}\nrestrict {other}\n"), 2),
        ("options first", format!("restrict {line}\n{other}\n"), 2),
        ("id_ed25519", one.expose_pem().to_owned(), 1),
        ("comments", format!("# mine\n{}", one.expose_pem()), 1),
        ("terraform.tfstate", pretty.clone(), 2),
        ("state without a name", pretty, 2),
        ("show.json", shown.clone(), 1),
        ("show without a name", shown, 1),
    ] {
        for (encoding, bytes) in as_windows_writes(&text) {
            let mut ground = Ground::new();
            ground.write(name, bytes);
            let expected = (count, 0, String::new());
            assert_eq!(ground.add_name(name), expected, "{name} in {encoding}");
        }
    }
}

#[test]
fn a_private_key_is_found_whatever_stands_around_it() {
    let mut ground = Ground::new();
    let keys = [key(), key(), generate(KeyAlgorithm::RSA4096).unwrap()];
    let [one, two, rsa] = &keys;
    ground.write("comments", format!("# mine\n# of 2024\n{}", one.expose_pem()));
    ground.write("both", format!("{}\n{}\n", two.expose_pem(), two.public().line()));
    ground.write("rsa", format!("Bag Attributes\n    friendlyName: a\n{}", rsa.expose_pem()));
    for (index, name) in ["comments", "both", "rsa"].into_iter().enumerate() {
        assert_eq!(ground.add_name(name), (index + 1, 0, String::new()), "{name}");
    }
}

#[test]
fn an_empty_state_has_no_key() {
    let mut ground = Ground::new();
    ground.write("folder/terraform.tfstate", "");
    ground.write("folder/terraform.tfstate.backup", "\n");
    ground.write("folder/empty.tfstate", r#"{"version": 4, "resources": []}"#);
    let (keys, errors, said) = ground.add_name("folder");
    assert_eq!((keys, errors), (0, 0), "{said}");
    assert!(said.contains("2 files without keys"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_without_its_content() {
    let mut ground = Ground::new();
    let private = key();
    let pem = private.expose_pem();
    let cut = &pem[..pem.len() / 2];
    let large = [b"ssh-ed25519 ", &vec![b'A'; 2 << 20][..]].concat();
    let target = ground.write("target.pub", private.public().line());
    symlink(&target, ground.path("link.pub")).unwrap();
    pipe(&ground.path("pipe"));
    let _socket = UnixListener::bind(ground.path("socket")).unwrap();
    ground.write("cut", cut);
    ground.write("large", large);
    ground.write("empty", "");
    ground.write("words", "SENTINEL is no key\n");
    ground.write("two", format!("{}\nssh-ed25519 SENTINEL\n", key().public().line()));
    ground.write("certificate.pub", "ssh-ed25519-cert-v01@openssh.com AAAASENTINEL x");
    ground.write("security.pub", "# mine\nsk-ssh-ed25519@openssh.com AAAASENTINEL x");
    ground.write("state.tfstate", "SENTINEL is no JSON");
    ground.write("other.json", r#"{"version": "SENTINEL"}"#);
    ground.write("binary", [0_u8, 159, 146, 150]);
    ground.write("plan.bin", b"PK\x03\x04SENTINEL");
    for (index, (name, words)) in [
        ("missing", "No such file"),
        ("link.pub", "skipped (symlink)"),
        ("pipe", "skipped (pipe)"),
        ("socket", "skipped (socket)"),
        ("large", "larger than 1 MiB"),
        ("cut", "it is a damaged private key"),
        ("empty", "it has no key"),
        ("words", "it has no key"),
        ("binary", "it has no key"),
        ("plan.bin", "it is an archive; if it is a Terraform plan"),
        ("two", "two: line 2: "),
        ("certificate.pub", "it is an SSH certificate"),
        ("security.pub", "line 2: it is the public key of a security key"),
        ("state.tfstate", "it is not JSON: line 1 column 1"),
        ("other.json", "it is not a Terraform state or plan: line 1 column"),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, errors, said) = ground.add_name(name);
        assert_eq!(errors, index + 1, "{name}: {said}");
        assert!(said.contains(words) && said.contains(name), "{name}: {said}");
        assert!(!said.contains("SENTINEL") && !said.contains(&cut[100..140]), "{name}: {said}");
    }
    assert_eq!(ground.keys.len(), 1, "of the file with two lines");
}

#[test]
fn a_folder_gives_the_keys_that_it_has() {
    let mut ground = Ground::new();
    let (one, two, three, hidden) = (key(), key(), key(), key());
    ground.write("ssh/id.pub", one.public().line());
    ground.write("ssh/team/b.pub", two.public().line());
    ground.write("ssh/authorized_keys", format!("{}\n", three.public().line()));
    ground.write("ssh/.git/c.pub", hidden.public().line());
    ground.write("ssh/known_hosts", format!("web-1 {}\n", hidden.public().line()));
    ground.write("ssh/config", "Host *\n");
    ground.write("ssh/id-cert.pub", "ssh-ed25519-cert-v01@openssh.com AAAA x");
    ground.write("ssh/package.json", "{}");
    // Its public half is beside it.
    let encrypted =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    ground.write("ssh/id", encrypted);
    symlink(ground.path("ssh/id.pub"), ground.path("ssh/link")).unwrap();
    symlink(ground.path("ssh"), ground.path("ssh/loop")).unwrap();
    ground.write("ssh/large", vec![b'a'; (1 << 20) + 1]);
    let (keys, errors, said) = ground.add_name("ssh");
    assert_eq!((keys, errors), (3, 0), "{said}");
    for words in [
        "link, ",
        "loop: skipped (symlink)",
        "large: skipped (larger than 1 MiB)",
        "its .pub",
        "id-cert.pub: it is",
        ".git: skipped (name begins with a dot)",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains("1 file without keys"), "{said}");

    ground.write("ssh/alone", encrypted);
    let (_, errors, said) = ground.add_name("ssh");
    assert_eq!(errors, 1, "{said}");
    assert!(said.contains("alone: it "), "{said}");
}

/// What else may lie in a folder: nothing of it blocks, and each is named with its reason.
#[test]
fn what_is_no_file_is_left_out_of_a_folder_and_the_rest_goes_on() {
    let mut ground = Ground::new();
    ground.write("ssh/a.pub", key().public().line());
    ground.write("ssh/inner/b.pub", key().public().line());
    pipe(&ground.path("ssh/pipe"));
    let _socket = UnixListener::bind(ground.path("ssh/agent")).unwrap();
    symlink("/dev/zero", ground.path("ssh/zero")).unwrap();
    symlink(ground.path("nowhere"), ground.path("ssh/dangling")).unwrap();
    ground.write("ssh/browser.p12", [0x30, 0x82, 4, 0, 0x02, 0x01, 0x03, 0x30, 0x82, 3, 0]);
    let (keys, errors, said) = ground.add_name("ssh");
    assert_eq!((keys, errors), (2, 0), "{said}");
    for words in [
        "pipe: skipped (pipe)",
        "agent: skipped (socket)",
        "zero: skipped (symlink)",
        "browser.p12: it is a PKCS#12 file",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn what_is_said_of_many_files_is_short() {
    let mut ground = Ground::new();
    let path = ground.write("many/a.pub", key().public().line());
    for index in 0..400 {
        symlink(&path, ground.path(&format!("many/link-{index:03}"))).unwrap();
        ground.write(&format!("many/certificate-{index}"), "ssh-ed25519-cert-v01@openssh.com AA x");
        ground.write(&format!("cut/id-{index}"), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n");
    }
    let broken = format!("{}\n{}", key().public().line(), "ssh-ed25519 AAAA\n".repeat(400));
    ground.write("broken", broken);
    for (name, lines, errors, words) in [
        ("many", 2, 0, "link-001 and 398 more: skipped (symlink)"),
        ("cut", 2, 1, "id-1 and 398 more: each is a damaged private key"),
        ("broken", 2, 2, "broken: line 2, line 3 and 398 more: its data"),
    ] {
        let (_, found, said) = ground.add_name(name);
        assert_eq!((said.lines().count(), found), (lines, errors), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
        for index in (0..400).filter(|_| name == "cut") {
            assert!(said.contains(&format!("id-{index}")), "{index}: {said}");
        }
        assert_eq!(said.contains("line 401"), name == "broken", "{said}");
    }
}

/// A comment or an option may have the words that private keys have in their files.
#[test]
fn what_is_said_beside_public_keys_does_not_lose_them() {
    let (one, two, private) = (key(), key(), key());
    let (first, second) = (one.public().line(), two.public().line());
    for (name, text) in [
        ("a name", format!("{first} deploy_private_key@ci\n{second}\n")),
        ("a comment", format!("# the secret key of ann\n{first}\n{second}\n")),
        ("JSON", format!("# {{\"d\":1}}\n{first}\n{second}\n")),
        ("XML", format!("# <d>\r\n{first}\r\n{second}\r\n")),
    ] {
        let mut ground = Ground::new();
        ground.write("keys", text);
        assert_eq!(ground.add_name("keys"), (2, 0, String::new()), "{name}");
    }
    let mut ground = Ground::new();
    ground.write("keys", format!("{}{first}\n{second}\n", private.expose_pem()));
    assert_eq!(ground.add_name("keys"), (3, 0, String::new()), "with a private key");
    let cut = private.expose_pem().len() / 2;
    ground.write("cut", format!("{first}\n{}", &private.expose_pem()[..cut]));
    let (_, errors, said) = ground.add_name("cut");
    assert_eq!(errors, 1, "{said}");
    assert!(said.contains("it is a damaged private key"), "{said}");
}

#[test]
fn the_file_beside_a_private_key_is_read_only_if_it_has_a_key() {
    const SHUT: &str =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    for (name, public) in
        [("a link", None), ("empty", Some("")), ("damaged", Some("ssh-ed25519 AAAA x\n"))]
    {
        let mut ground = Ground::new();
        ground.write("ssh/id", SHUT);
        let target = ground.write("a.pub", key().public().line());
        match public {
            Some(public) => drop(ground.write("ssh/id.pub", public)),
            None => symlink(target, ground.path("ssh/id.pub")).unwrap(),
        }
        let (keys, errors, said) = ground.add_name("ssh");
        assert_eq!((keys, errors), (0, 1), "{name}: {said}");
        assert!(!said.contains("its .pub file is read"), "{name}: {said}");
    }
}

#[test]
fn a_file_with_something_else_than_a_key_is_said_to_have_that() {
    let one = generate(KeyAlgorithm::RSA4096).unwrap();
    let blob = one.public().line().split(' ').nth(1).unwrap().to_owned();
    let lines = blob.as_bytes().chunks(70).map(|line| String::from_utf8_lossy(line) + "\n");
    let lines: String = lines.collect();
    let rfc = format!("---- BEGIN SSH2 PUBLIC KEY ----\n{lines}---- END SSH2 PUBLIC KEY ----\n");
    let mut ground = Ground::new();
    for (name, text, words) in [
        ("two", format!("{rfc}{rfc}"), "put each key into a file of its own"),
        ("after a comment", format!("# mine\n{rfc}"), "put each key into a file of its own"),
        ("cut", rfc[..200].to_owned(), "its data is incomplete"),
        (
            "certificate",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned(),
            "it is an X.509 certificate",
        ),
        (
            "pgp",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ\n-----END PGP PUBLIC KEY BLOCK-----\n"
                .to_owned(),
            "it is a PGP key",
        ),
        ("url", "https://github.com/ann.keys\n".to_owned(), "it is a URL"),
        (
            "fingerprint",
            format!("256 {} c (RSA)\n", one.public().sha256()),
            "it is the fingerprint",
        ),
    ] {
        ground.write(name, text);
        let (keys, _, said) = ground.add_name(name);
        assert!(said.contains(words), "{name}: {said}");
        assert_eq!(keys, 0, "{name}");
    }
}

/// Its public key may be in the file beside it.
#[test]
fn a_file_that_may_not_be_read_is_an_error_unless_its_public_key_is_there() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let mut ground = Ground::new();
    let shut = |path: PathBuf| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
    };
    shut(ground.write("ssh/host", "x"));
    ground.write("ssh/host.pub", key().public().line());
    let (keys, errors, said) = ground.add_name("ssh");
    assert_eq!((keys, errors), (1, 0), "{said}");
    assert!(said.contains("host: permission denied; its .pub file is read"), "{said}");
    shut(ground.write("ssh/alone", "x"));
    let (keys, errors, said) = ground.add_name("ssh");
    assert_eq!((keys, errors), (1, 1), "{said}");
    assert!(said.contains("alone: permission denied"), "{said}");
}

#[test]
fn a_folder_with_thousands_of_files_is_left_out() {
    let mut ground = Ground::new();
    for index in 0..=folder::MOST_FILES {
        ground.write(&format!("many/{index}"), "x");
    }
    ground.write("many/a.pub", key().public().line());
    let (keys, errors, said) = ground.add_name("many");
    assert_eq!((keys, errors), (0, 1), "{said}");
    assert!(said.contains("more than 1000 files"), "{said}");
}

#[test]
fn a_name_cannot_move_the_cursor() {
    let mut ground = Ground::new();
    let (_, errors, said) = ground.add_name("a\u{1b}[2J\nerror: b");
    assert_eq!(errors, 1);
    assert!(said.ends_with('\n') && said.matches('\n').count() == 1, "{said:?}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn a_folder_that_may_not_be_read_is_an_error() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let mut ground = Ground::new();
    ground.write("shut/a.pub", key().public().line());
    let shut = ground.path("shut");
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o000)).unwrap();
    let (keys, errors, said) = ground.add_name("shut");
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!((keys, errors), (0, 1), "{said}");
}
