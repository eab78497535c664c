//! The rules that the API server checks for keys: private ones are refused in each form, and public
//! ones are taken.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::ssh::PublicKey;
use serde_json::json;

use crate::bed::{Bed, imported, key_pair_files, public_key};
use crate::schema::with;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_private_key_that_was_pasted_is_refused_and_not_echoed() {
    let bed = Bed::new("pasted").await;
    for type_ in ["ed25519", "rsa"] {
        let (private, _) = key_pair_files(type_);
        bed.note_private_key(type_, &private);
        for text in [
            private.clone(),
            private.trim().replace('\n', " "),
            STANDARD.encode(&private),
            private.lines().filter(|line| !line.starts_with('-')).collect(),
        ] {
            let refusal =
                bed.try_create::<LightsailKeyPair>("pasted", &imported(&text)).await.unwrap_err();
            let refusal = format!("{refusal} {refusal:?}");
            assert!(refusal.contains("publicKey holds a private key"), "{type_}");
            // As a user sees it, too.
            let object = json!({
                "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
                "metadata": { "name": "pasted", "namespace": bed.namespace },
                    "spec": imported(&text),
            });
            let applied = bed
                .cluster
                .kubectl_with_input(&["apply", "-f", "-"], &object.to_string())
                .await
                .unwrap();
            let said = format!("{refusal}{}{}", applied.stdout, applied.stderr);
            for line in private.lines().filter(|line| !line.starts_with("-----")) {
                assert!(!said.contains(line), "{type_}: the key is echoed");
            }
        }
    }
}

/// What a script prints.
fn sh(script: &str) -> Vec<u8> {
    let output = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Files with private keys, made just now.
fn private_files() -> Vec<(&'static str, String)> {
    let ec = |curve: &str| format!("openssl ecparam -genkey -noout -name {curve}");
    let rsa = |bits: u32| format!("openssl genrsa -traditional {bits} 2>/dev/null");
    let dsa = "openssl dsaparam -genkey -noout 1024 2>/dev/null".to_owned();
    let pkcs8 = |script: &str| format!("{script} | openssl pkcs8 -topk8 -nocrypt");
    let encrypted = |script: &str, how: &str| {
        format!("{script} | openssl pkcs8 -topk8 {how} -passout pass:abc1")
    };
    let ed25519 = "openssl genpkey -algorithm ed25519";
    let old = "-v1 PBE-SHA1-3DES";
    let scripts = [
        ("SEC1, P-256", ec("prime256v1")),
        ("SEC1, P-384", ec("secp384r1")),
        ("SEC1, P-521", ec("secp521r1")),
        ("SEC1, secp256k1", ec("secp256k1")),
        ("PKCS#8, P-256", pkcs8(&ec("prime256v1"))),
        ("PKCS#8, P-384", pkcs8(&ec("secp384r1"))),
        ("PKCS#8, P-521", pkcs8(&ec("secp521r1"))),
        ("PKCS#8, Ed25519", ed25519.to_owned()),
        ("PKCS#8, Ed448", "openssl genpkey -algorithm ed448".to_owned()),
        ("PKCS#1, 512 bits", rsa(512)),
        ("PKCS#1", rsa(2048)),
        ("PKCS#8, 512 bits", pkcs8(&rsa(512))),
        ("PKCS#8, RSA", pkcs8(&rsa(2048))),
        ("DSA", dsa.clone()),
        ("PKCS#8, DSA", pkcs8(&dsa)),
        ("encrypted, RSA", encrypted(&rsa(2048), "")),
        ("encrypted, Ed25519", encrypted(ed25519, "")),
        ("encrypted as before, RSA", encrypted(&rsa(2048), old)),
        ("encrypted as before, Ed25519", encrypted(ed25519, old)),
    ];
    let made = scripts.map(|(name, script)| (name, String::from_utf8(sh(&script)).unwrap()));
    let of_ssh = ["ed25519", "rsa", "ecdsa"].map(|type_| (type_, key_pair_files(type_).0));
    made.into_iter().chain(of_ssh).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_private_key_is_refused_in_each_form_and_not_echoed() {
    let bed = Bed::new("private-forms").await;
    let mut refused = 0;
    for (name, file) in private_files() {
        let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('-')).collect();
        let (body, encoded) =
            (lines.concat(), |before: &str| STANDARD.encode(format!("{before}{file}")));
        for (form, text) in [
            ("the file", file.clone()),
            ("its data", body.clone()),
            ("its lines", lines.join("\n")),
            ("its lines below an empty one", format!("\n{}\n", lines.join("\n"))),
            ("its lines with the line breaks of JSON", lines.join("\\n")),
            ("its data in quotes", format!("\"{body}\"")),
            ("its data behind a type", format!("ssh-rsa {body}")),
            ("base64", encoded("")),
            ("base64 from an empty line on", encoded("\n")),
            ("base64 from an empty line of Windows on", encoded("\r\n")),
            ("base64 from a space on", encoded(" ")),
            ("base64 behind a type", format!("ssh-rsa {}", encoded("\n"))),
        ] {
            let made = bed.try_create::<LightsailKeyPair>("pasted", &imported(&text)).await;
            let refusal = made.map(|_| ()).expect_err(&format!("{name}: {form}"));
            let said = format!("{refusal} {refusal:?}");
            assert!(said.contains("publicKey holds a private key"), "{name}: {form}: {refusal}");
            assert!(said.contains("Treat the private key as leaked"), "{name}: {form}");
            let echoed =
                text.split_ascii_whitespace().find(|it| it.len() > 20 && said.contains(it));
            assert_eq!(echoed, None, "{name}: {form}");
            refused += 1;
        }
        // In other forms nothing tells that it is one, and one that is too long is not printed.
        for (form, text, expected) in [
            ("base64 of base64", STANDARD.encode(encoded("")), "If it was a private key"),
            ("digits", hex::encode(STANDARD.decode(&body).unwrap()), "If it was a private key"),
            ("much", format!("{file}\n").repeat(16_384 / file.len() + 1), "Too long"),
        ] {
            let made = bed.try_create::<LightsailKeyPair>("pasted", &imported(&text)).await;
            let refusal = made.map(|_| ()).expect_err(&format!("{name}: {form}"));
            let said = format!("{refusal} {refusal:?}");
            assert!(said.contains(expected), "{name}: {form}: {refusal}");
            let echoed =
                text.split_ascii_whitespace().find(|it| it.len() > 20 && said.contains(it));
            assert_eq!(echoed, None, "{name}: {form}");
        }
    }
    assert_eq!(refused, 22 * 12);
    let key = public_key("ed25519");
    let pem = String::from_utf8(sh("openssl genpkey -algorithm ed25519")).unwrap();
    let spec = with(imported(&key), &json!({ "keyPairName": pem }));
    let made = bed.try_create::<LightsailKeyPair>("pasted", &spec).await;
    let refusal = made.map(|_| ()).unwrap_err();
    let said = format!("{refusal} {refusal:?}");
    assert!(said.contains("keyPairName may contain only"), "{said}");
    assert!(!said.contains(pem.lines().nth(1).unwrap()), "a name is not echoed either");
    let pkcs12 = "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/stdout -subj /CN=a \
                  2>/dev/null | openssl pkcs12 -export -passout pass:abc1 | base64 -w 0";
    let pkcs12 = String::from_utf8(sh(pkcs12)).unwrap();
    for text in [pkcs12.clone(), format!("ssh-rsa {pkcs12}")] {
        let made = bed.try_create::<LightsailKeyPair>("pasted", &imported(&text)).await;
        let refusal = made.map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains("publicKey holds a private key"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_is_accepted_in_each_form() {
    let bed = Bed::new("public-forms").await;
    let folder = tempfile::tempdir().unwrap();
    let mut accepted = 0;
    for (type_, bits) in [
        ("ed25519", ""),
        ("rsa", "-b 1024"),
        ("rsa", "-b 2048"),
        ("rsa", "-b 3072"),
        ("rsa", "-b 4096"),
        ("ecdsa", "-b 256"),
        ("ecdsa", "-b 384"),
        ("ecdsa", "-b 521"),
    ] {
        let name = format!("{type_}{bits}").replace(' ', "");
        let key = folder.path().join(&name).display().to_string();
        let print = |script: &str| String::from_utf8(sh(&script.replace("KEY", &key))).unwrap();
        print(&format!("ssh-keygen -q -N '' -C 'a comment' -m PEM -t {type_} {bits} -f KEY"));
        let line = std::fs::read_to_string(format!("{key}.pub")).unwrap();
        let data = line.split(' ').nth(1).unwrap().to_owned();
        let (pem, der) = if type_ == "ed25519" {
            // OpenSSH writes no such file of an Ed25519 key; RFC 8410, section 4.
            let blob = STANDARD.decode(&data).unwrap();
            let start = STANDARD.decode("MCowBQYDK2VwAyEA").unwrap();
            let der = STANDARD.encode([&start, &blob[blob.len() - 32..]].concat());
            (format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n"), der)
        } else {
            let pem = print("openssl pkey -in KEY -pubout");
            (pem, print("openssl pkey -in KEY -pubout -outform DER | base64 -w 64"))
        };
        let rfc4716 = print("ssh-keygen -e -m RFC4716 -f KEY");
        let mut forms = vec![
            ("the file", line.clone()),
            ("in quotes", format!("\"{}\"", line.trim())),
            ("with a word about private keys", format!("{} my PRIVATE KEY", line.trim())),
            ("RFC 4716", rfc4716.clone()),
            ("PEM", pem.clone()),
            ("DER in base64, in lines", der.clone()),
            ("DER in base64", der.replace('\n', "")),
            ("the data alone", data.clone()),
            ("base64 of the data", STANDARD.encode(&data)),
            ("base64 of the file", STANDARD.encode(&line)),
            ("base64 of PEM", STANDARD.encode(&pem)),
            ("base64 of RFC 4716", STANDARD.encode(&rfc4716)),
            ("base64 of base64", STANDARD.encode(STANDARD.encode(&line))),
            ("base64 of base64 of PEM", STANDARD.encode(STANDARD.encode(&pem))),
            ("base64 of base64 of RFC 4716", STANDARD.encode(STANDARD.encode(&rfc4716))),
        ];
        if type_ == "rsa" {
            let pkcs1 = print("openssl rsa -in KEY -RSAPublicKey_out 2>/dev/null");
            forms.push(("base64 of PKCS#1", STANDARD.encode(&pkcs1)));
            forms.push(("base64 of base64 of PKCS#1", STANDARD.encode(STANDARD.encode(&pkcs1))));
            let body: Vec<&str> = pkcs1.lines().filter(|it| !it.starts_with('-')).collect();
            forms.push(("PKCS#1, DER in base64", body.concat()));
            forms.push(("PKCS#1", pkcs1));
        }
        for (form, text) in &forms {
            assert!(PublicKey::parse(text).is_ok(), "{name}: {form}: the operator takes it");
            let pair = format!("{type_}-{accepted}");
            let made = bed.try_create::<LightsailKeyPair>(&pair, &imported(text)).await;
            assert!(made.is_ok(), "{name}: {form}: {made:?}");
            accepted += 1;
        }
    }
    assert_eq!(accepted, 8 * 15 + 4 * 4);
}
