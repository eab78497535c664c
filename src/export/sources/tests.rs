//! Files and folders as people have them, and as somebody hostile puts them there.

use std::os::unix::fs::{PermissionsExt, symlink};
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
    assert_eq!(found.places[0].to_string(), ground.path("id_ed25519").display().to_string());
    let form = two.public().fingerprints().forms()[0].clone();
    let found = ground.keys.find(&form.as_str().into()).unwrap();
    assert!(found.places[0].to_string().ends_with("authorized_keys:4"), "{:?}", found.places);
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
    rustix::fs::mknodat(
        rustix::fs::CWD,
        ground.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
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
    for (index, (name, words)) in [
        ("missing", "No such file"),
        ("link.pub", "it is a link, and left out"),
        ("pipe", "it is no file and no folder"),
        ("large", "larger than 1 MiB"),
        ("cut", "it is a damaged private key"),
        ("empty", "it has no key"),
        ("words", "it has no key"),
        ("binary", "it has no key"),
        ("two", "two: line 2: "),
        ("certificate.pub", "it is an SSH certificate"),
        ("security.pub", "line 2: it is the key of a security key"),
        ("state.tfstate", "it is no JSON: line 1 column 1"),
        ("other.json", "it is no state or plan of Terraform: line 1 column"),
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
        "link: it is a link",
        "loop: it is a link",
        "large: it is larger",
        "its .pub",
        "id-cert.pub: it is",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains("1 file without keys"), "{said}");

    ground.write("ssh/alone", encrypted);
    let (_, errors, said) = ground.add_name("ssh");
    assert_eq!(errors, 1, "{said}");
    assert!(said.contains("alone: it "), "{said}");
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
