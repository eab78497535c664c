//! `lightsail-operator export` against the simulator: with the states of Terraform in
//! `tests/terraform`, under its policy, and with what goes wrong in a region or an account. With a
//! cluster it is in `tests/control_plane/export.rs`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use testbed::simulator::{Credentials, Fault, FaultEffect, Options, Simulator};

use crate::iam_files::{actions, document, statements};

const ACCOUNT: &str = "123456789012";
const HERE: &str = "eu-west-1";

/// A simulated Lightsail, and what an export has to know of it.
struct Ground {
    simulator: Simulator,
    credentials: Credentials,
}

impl Ground {
    async fn new() -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let credentials = simulator.add_account(ACCOUNT);
        Self { simulator, credentials }
    }

    async fn export(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().await.unwrap())
    }

    fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lightsail-operator"));
        command.env_clear().env("AWS_ENDPOINT_URL", self.simulator.url());
        command.env("AWS_ACCESS_KEY_ID", &self.credentials.access_key_id);
        command.env("AWS_SECRET_ACCESS_KEY", &self.credentials.secret_access_key);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nowhere");
        command.arg("export").args(arguments);
        command
    }

    /// Imports the key pairs of a file of Terraform.
    fn import(&self, region: &str, pairs: &BTreeMap<String, String>) {
        for (name, public) in pairs {
            self.simulator.region(ACCOUNT, region).import_key_pair(name, public);
        }
    }
}

/// How an export ended, and what it said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The types of the objects, or the reasons for none, by the names of the key pairs.
    fn findings(&self) -> BTreeMap<String, String> {
        let document: Value = serde_json::from_str(&self.out).unwrap();
        let finding = |pair: &Value| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let found =
                text(&pair["object"]["type"]).or_else(|| text(&pair["unmatched"]["reason"]));
            (text(&pair["name"]).unwrap(), found.unwrap())
        };
        document["keyPairs"].as_array().unwrap().iter().map(finding).collect()
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terraform").join(name)
}

/// The public keys of the key pairs with these names, wherever in a document they are.
fn public_keys(value: &Value, names: &[&str], found: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| public_keys(value, names, found)),
        Value::Object(members) => {
            if let (Some(Value::String(name)), Some(Value::String(public))) =
                (members.get("name"), members.get("public_key"))
                && names.contains(&name.as_str())
            {
                found.insert(name.clone(), public.clone());
            }
            members.values().for_each(|value| public_keys(value, names, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_key_pairs_of_every_version_of_the_provider_are_matched() {
    for (file, names) in [
        ("aws-3.tfstate", &["fleet"][..]),
        ("aws-4.tfstate", &["fleet", "ci-20230101000000000000000001"]),
        ("aws-5.tfstate", &["team-a", "team-b", "worker-0", "worker-1"]),
        ("aws-6.tfstate", &["fleet", "edge"]),
        ("aws-6-show.json", &["fleet", "inner"]),
        ("aws-6-plan.json", &["fleet", "gone", "planned"]),
    ] {
        let ground = Ground::new().await;
        let path = fixture(file);
        let document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut pairs = BTreeMap::new();
        public_keys(&document, names, &mut pairs);
        assert_eq!(pairs.len(), names.len(), "{file}");
        ground.import(HERE, &pairs);
        let path = path.to_str().unwrap();
        let said = ground.export(&["--region", HERE, "--keys", path, "--output=json"]).await;
        assert_eq!(said.code, Some(0), "{file}: {said:?}");
        let expected = names.iter().map(|name| ((*name).to_owned(), "Imported".to_owned()));
        assert_eq!(said.findings(), expected.collect(), "{file}");
        let yaml = ground.export(&["--region", HERE, "--keys", path]).await.out;
        for public in pairs.values() {
            let line: Vec<&str> = public.split(' ').take(2).collect();
            assert!(yaml.contains(&format!("publicKey: \"{}\"\n", line.join(" "))), "{yaml}");
        }
        assert!(!yaml.contains("example.com"), "comments may say whose a key is: {yaml}");
    }
}

#[tokio::test]
async fn a_key_pair_that_terraform_had_lightsail_make_needs_its_private_key() {
    let ground = Ground::new().await;
    let (pair, private) = ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
    let folder = tempfile::tempdir().unwrap();
    let state = json!({ "version": 4, "resources": [{ "mode": "managed",
        "type": "aws_lightsail_key_pair", "name": "made", "instances": [{ "attributes": {
            "name": "made", "public_key": pair.public_key, "fingerprint": pair.fingerprint,
            "private_key": private } }] }] });
    let path = folder.path().join("terraform.tfstate");
    std::fs::write(&path, state.to_string()).unwrap();
    let path = path.to_str().unwrap();
    for output in ["table", "json", "yaml"] {
        let said = ground.export(&["--region", HERE, "--keys", path, "-o", output]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("Lightsail made it"), "{said:?}");
        assert_eq!(said.out.contains(path), output != "yaml", "where Terraform has it: {said:?}");
        let is_secret = |line: &&str| line.len() > 40;
        for line in private.lines().filter(is_secret) {
            assert!(!said.out.contains(line) && !said.err.contains(line));
        }
    }
    let file = folder.path().join("made.pem");
    std::fs::write(&file, &private).unwrap();
    let keys = ["--keys", file.to_str().unwrap()];
    let said = ground.export(&[&["--region", HERE, "--output=json"], &keys[..]].concat()).await;
    assert_eq!(said.findings()["made"], "PrivateKeyNeeded");
}

#[tokio::test]
async fn an_error_of_a_region_does_not_lose_the_others() {
    let ground = Ground::new().await;
    for region in [HERE, "us-east-1", "eu-west-2"] {
        let region = ground.simulator.region(ACCOUNT, region);
        region.create_key_pair("made");
    }
    let message = "The security token included in the request is invalid.";
    let effect = FaultEffect::Error {
        error_type: "UnrecognizedClientException".to_owned(),
        code: None,
        message: message.to_owned(),
        status: 400,
    };
    let off = ground.simulator.region(ACCOUNT, "us-east-1");
    let _fault = off.add_fault(Fault::new("GetKeyPairs", effect.clone()));
    let here = ground.simulator.region(ACCOUNT, "eu-west-2");
    let _other = here.add_fault(Fault::new("GetInstances", effect));
    for (regions, count) in [("--region=eu-west-1,us-east-1,eu-west-2", 2), ("--all-regions", 2)] {
        let said = ground.export(&[regions, "--output=table"]).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert_eq!(said.out.lines().count(), count + 1, "{said:?}");
        for words in
            ["error: us-east-1: ", "is the region enabled", "error: eu-west-2: instances could not"]
        {
            assert!(said.err.contains(words), "{words}: {said:?}");
        }
        let row = said.out.lines().find(|line| line.contains("eu-west-2")).unwrap();
        assert!(row.contains("   ?   "), "the instances are not known: {row}");
        let yaml = ground.export(&[regions]).await;
        assert_eq!(yaml.code, Some(1));
        assert!(yaml.out.contains("# us-east-1 could not be read\n"), "{yaml:?}");
    }
    let said = ground.export(&["--region=xx-none-1,eu-west-1", "-o", "table"]).await;
    assert_eq!((said.code, said.out.lines().count()), (Some(1), 2), "{said:?}");
    assert!(said.err.contains("error: xx-none-1: "), "{said:?}");
}

#[tokio::test]
async fn a_session_that_has_expired_meanwhile_is_not_taken_for_a_region_that_is_off() {
    let ground = Ground::new().await;
    let effect = FaultEffect::Error {
        error_type: "ExpiredTokenException".to_owned(),
        code: None,
        message: "The security token included in the request is expired".to_owned(),
        status: 400,
    };
    let here = ground.simulator.region(ACCOUNT, HERE);
    let _fault = here.add_fault(Fault::new("GetKeyPairs", effect));
    let said = ground.export(&["--region", HERE]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("is expired (1 of 1)\n"), "{said:?}");
}

#[tokio::test]
async fn many_regions_that_do_not_exist_do_not_lose_the_one_that_does() {
    let ground = Ground::new().await;
    ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
    let letters = || (b'a'..=b'z').map(char::from);
    let regions = letters().flat_map(|one| letters().map(move |two| format!("xx-{one}{two}-1")));
    let regions = regions.take(300).collect::<Vec<_>>().join(",");
    let flags = ["--region", &regions, "--region=eu-west-1,eu-west-1", "--output=json"];
    let said = ground.export(&flags).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["failedRegions"].as_array().map(Vec::len), Some(300), "{said:?}");
    assert_eq!(document["keyPairs"].as_array().map(Vec::len), Some(1), "{said:?}");
    assert!(said.err.contains("check --region for typos"), "{said:?}");
    assert!(!said.err.contains("delete the objects"), "{said:?}");
}

#[tokio::test]
async fn nothing_is_read_of_another_account() {
    let ground = Ground::new().await;
    ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
    for regions in ["--all-regions", "--region=eu-west-1"] {
        let said = ground.export(&[regions, "--aws-account-id", "210987654321"]).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        let words = "belong to the account 123456789012, and --aws-account-id is 210987654321";
        assert!(said.err.contains(words), "{said:?}");
        assert!(!said.out.contains("made"), "{said:?}");
    }
    let asked = ground.simulator.requests();
    assert!(asked.iter().all(|request| request.operation == "GetCallerIdentity"), "{asked:?}");
    let said = ground.export(&["--region", HERE, "--aws-account-id", ACCOUNT]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_does_not_lose_lightsail() {
    let ground = Ground::new().await;
    ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
    for flags in
        [["--from-secrets=team-a,team-b", "--output=table"], ["--check-owners", "-o=table"]]
    {
        let said = ground.export(&[&["--region", HERE], &flags[..]].concat()).await;
        assert_eq!((said.code, said.err.matches("error: ").count()), (Some(1), 1), "{said:?}");
        assert!(said.err.contains("no cluster is configured; set KUBECONFIG"), "{said:?}");
        assert!(said.out.contains("made"), "{said:?}");
    }
}

/// One without a name is no pair that anybody could name.
#[tokio::test]
async fn a_key_pair_without_a_name_spoils_no_region() {
    let ground = Ground::new().await;
    let arn = "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/1";
    let pairs = [
        json!({ "arn": arn }),
        json!({ "name": "", "arn": arn }),
        json!({ "name": "bare" }),
        json!({ "name": "whole", "arn": arn }),
    ];
    let body = json!({ "keyPairs": pairs }).to_string();
    let effect = FaultEffect::Body { status: 200, body };
    ground.simulator.add_fault(Fault::new("GetKeyPairs", effect));
    let said = ground.export(&["--region", HERE, "--output=json"]).await;
    assert_eq!((said.code, said.err.matches("error: ").count()), (Some(1), 1), "{said:?}");
    let words = "eu-west-1: left out 3 key pairs that Lightsail lists without a name or an ARN";
    assert!(said.err.contains(words), "{said:?}");
    let names: Vec<String> = said.findings().into_keys().collect();
    assert_eq!(names, ["whole"], "{said:?}");
}

/// An API server that answers everything so, and a kubeconfig for it.
fn cluster(folder: &Path, status: u16, answer: Value) -> PathBuf {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in server.incoming() {
            let (mut connection, body) = (connection.unwrap(), answer.to_string());
            let _ = connection.read(&mut [0; 4_096]).unwrap();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}");
            write!(connection, "{head}\r\nConnection: close\r\n\r\n{body}").unwrap();
        }
    });
    let config = json!({ "current-context": "a",
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
        "clusters": [{ "name": "a", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "a", "user": {} }] });
    let path = folder.join(format!("kubeconfig-{}", address.port()));
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

#[tokio::test]
async fn what_a_cluster_does_not_show_is_reported_once_and_in_plain_words() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().unwrap();
    let here = ground.simulator.region(ACCOUNT, HERE);
    for index in 0..5 {
        let name = format!("made-{index}");
        here.create_key_pair(&name);
        let owner = format!("c1/team-a/object-{index}");
        here.set_tags(&name, &[("lightsail-operator.dev/owner", Some(&owner))]);
    }
    let status = |code: u16, reason: &str, message: &str| {
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": {}, "code": code })
    };
    let message = "secrets is forbidden: User \"ann\" cannot list resource \"secrets\"";
    let forbidden = || (403, status(403, "Forbidden", message));
    let absent = (404, status(404, "NotFound", "namespaces \"kube-system\" not found"));
    let cut = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let cut = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, cut);
    let secrets: Vec<Value> = (0..5)
        .map(|index| {
            json!({ "metadata": { "name": format!("kept-{index}") },
                "type": "kubernetes.io/ssh-auth", "data": { "ssh-privatekey": cut } })
        })
        .collect();
    let secrets = (200, json!({ "metadata": {}, "items": secrets }));
    for (flags, (status, answer), words) in [
        (&["--check-owners"][..], absent, "no owner is checked: there is no namespace"),
        (&["--check-owners"], forbidden(), "the cluster's ID cannot be read: "),
        (&["--check-owners", "--cluster-id=c1"], forbidden(), "object-4"),
        (&["--from-secrets=team-a"], forbidden(), "cannot list resource \"secrets\"\n"),
        (&["--from-secrets=team-a"], secrets, "team-a/kept-4 ssh-privatekey"),
    ] {
        let kubeconfig = cluster(folder.path(), status, answer);
        let mut command = ground.command(&["--region", HERE, "--output=table"]);
        command.args(flags).env("KUBECONFIG", kubeconfig);
        let said = Said::of(&command.output().await.unwrap());
        assert_eq!((said.code, said.err.matches("error: ").count()), (Some(1), 1), "{said:?}");
        assert!(said.err.contains(words), "{words}: {said:?}");
        assert!(!said.err.contains("Status {"), "{said:?}");
        assert!(said.out.contains("made-4") && !said.out.contains("gone"), "{said:?}");
    }
}

/// As `head` leaves it.
#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let ground = Ground::new().await;
    let mut command = ground.command(&["--region", HERE]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::of(&child.wait_with_output().await.unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.err.contains("panicked") && said.err.contains("0 key pairs: "), "{said:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_read_do_not_lose_the_others() {
    let ground = Ground::new().await;
    let path = fixture("aws-3.tfstate");
    let mut pairs = BTreeMap::new();
    let document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    public_keys(&document, &["fleet"], &mut pairs);
    ground.import(HERE, &pairs);
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("terraform.tfstate");
    std::fs::write(&bad, "no JSON").unwrap();
    let paths = ["--keys", "/no/such/file", "--keys", bad.to_str().unwrap(), "--keys"];
    let arguments = [&["--region", HERE, "--output=json"], &paths[..]].concat();
    let said = ground.export(&[&arguments[..], &[path.to_str().unwrap()]].concat()).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.findings()["fleet"], "Imported");
    assert_eq!(said.err.matches("error: ").count(), 2, "{said:?}");
}

/// "openssh-key-v1" in base64, as private keys in OpenSSH's format begin.
const MARK: &str = "b3BlbnNzaC1rZXktdj";

#[tokio::test]
async fn a_name_that_looks_like_a_private_key_costs_its_own_pair() {
    let ground = Ground::new().await;
    let here = ground.simulator.region(ACCOUNT, HERE);
    here.create_key_pair("made");
    here.create_key_pair(&format!("{MARK}EA"));
    here.create_key_pair("BEGIN OPENSSH PRIVATE KEY");
    for output in ["yaml", "table", "json"] {
        let said = ground.export(&["--region", HERE, "--output", output]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("made") && said.err.contains("1 key pair: "), "{said:?}");
        let words = "eu-west-1: left out 2 key pairs: a name or another value looks like";
        assert_eq!(said.err.matches(words).count(), 1, "{said:?}");
        for mark in [MARK, "PRIVATE KEY"] {
            assert!(!said.out.contains(mark) && !said.err.contains(mark), "{said:?}");
        }
        let is_named = said.out.contains("No manifest for 2 key pairs in eu-west-1");
        assert_eq!(is_named, output == "yaml", "{said:?}");
        assert_eq!(said.out.contains("withheld"), output == "json", "{said:?}");
    }
}

/// Whatever it is, here the value of a flag.
#[tokio::test]
async fn an_output_that_seems_to_have_a_private_key_in_it_is_not_written() {
    let ground = Ground::new().await;
    ground.simulator.region(ACCOUNT, HERE).create_default_key_pair();
    let flags = ["--default-key-pairs", "--account-ref", "openssh-key-v1"];
    let said = ground.export(&[&["--region", HERE], &flags[..]].concat()).await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
    assert!(said.err.contains("nothing was written"), "{said:?}");
}

#[tokio::test]
async fn default_key_pairs_that_are_left_out_are_counted_once() {
    let ground = Ground::new().await;
    for region in [HERE, "us-east-1"] {
        ground.simulator.region(ACCOUNT, region).create_default_key_pair();
    }
    let regions = "--region=eu-west-1,us-east-1";
    for output in ["yaml", "table", "json"] {
        let said = ground.export(&[regions, "--output", output]).await;
        let words = "left out 2 default key pairs; --default-key-pairs includes them";
        assert_eq!((said.code, said.err.matches(words).count()), (Some(0), 1), "{said:?}");
        let comment = "# No manifest for 2 default key pairs - see --default-key-pairs\n";
        assert_eq!(said.out.contains(comment), output == "yaml", "{said:?}");
        let with = ground.export(&[regions, "--default-key-pairs", "--output", output]).await;
        assert!(!with.err.contains("left out") && with.out.contains("Default"), "{with:?}");
    }
}

#[tokio::test]
async fn a_list_of_regions_that_cannot_be_read_is_no_empty_list() {
    let ground = Ground::new().await;
    ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
    let effect = FaultEffect::Error {
        error_type: "AccessDeniedException".to_owned(),
        code: None,
        message: "no".to_owned(),
        status: 400,
    };
    let global = ground.simulator.region(ACCOUNT, "us-east-1");
    let _fault = global.add_fault(Fault::new("GetRegions", effect));
    let said = ground.export(&["--all-regions", "--output=json"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["failedRegions"], json!(["all"]), "{said:?}");
    let said = ground.export(&["--all-regions"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("# The list of regions could not be read\n"), "{said:?}");
    assert!(said.err.contains("error: the list of regions could not be read in us-east-1"));
}

#[tokio::test]
async fn a_list_of_regions_names_each_once_and_is_never_empty() {
    let here = json!({ "name": HERE });
    for (regions, count) in [(json!([]), None), (json!([{}]), None), (json!([here, here]), Some(1))]
    {
        let ground = Ground::new().await;
        ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
        let body = json!({ "regions": regions }).to_string();
        let fault = Fault::new("GetRegions", FaultEffect::Body { status: 200, body });
        ground.simulator.region(ACCOUNT, "us-east-1").add_fault(fault);
        let said = ground.export(&["--all-regions", "--output=json"]).await;
        let document: Value = serde_json::from_str(&said.out).unwrap();
        let failed = if count.is_some() { json!([]) } else { json!(["all"]) };
        assert_eq!(document["failedRegions"], failed, "{said:?}");
        assert_eq!(said.code, Some(i32::from(count.is_none())), "{said:?}");
        let pairs = document["keyPairs"].as_array().map(Vec::len);
        assert_eq!(pairs, Some(count.unwrap_or_default()), "{said:?}");
    }
}

#[tokio::test]
async fn an_owner_tag_of_another_shape_is_somebodys() {
    let ground = Ground::new().await;
    let here = ground.simulator.region(ACCOUNT, HERE);
    let path = fixture("aws-5.tfstate");
    let mut pairs = BTreeMap::new();
    let names = ["team-a", "team-b", "worker-0", "worker-1"];
    let document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    public_keys(&document, &names, &mut pairs);
    ground.import(HERE, &pairs);
    let tags = [Some("c/n"), Some(""), None, Some("c/n/o/x")];
    for (name, tag) in names.into_iter().zip(tags) {
        here.set_tags(name, &[("lightsail-operator.dev/owner", tag)]);
    }
    let arguments = ["--region", HERE, "--keys", path.to_str().unwrap(), "--output"];
    let export = async |output| ground.export(&[&arguments[..], &[output]].concat()).await;
    let yaml = export("yaml").await;
    assert_eq!((yaml.code, yaml.out.matches("kind:").count()), (Some(0), 0), "{yaml:?}");
    let words = "an unknown owner manages it - its owner tag names no object\n";
    assert_eq!(yaml.out.matches(words).count(), 4, "{yaml:?}");
    assert_eq!(export("table").await.out.matches("   unknown owner\n").count(), 4);
    let document: Value = serde_json::from_str(&export("json").await.out).unwrap();
    for pair in document["keyPairs"].as_array().unwrap() {
        assert_eq!(pair["managedBy"], json!({ "unknown": true }), "{pair}");
    }
}

#[tokio::test]
async fn its_policy_is_enough_and_every_action_of_it_is_needed() {
    let ground = Ground::new().await;
    ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
    let [statement] = &statements("export.json", "any")[..] else { panic!("one statement") };
    let allow = |actions: &[String]| {
        let mut statement = statement.clone();
        statement["Action"] = json!(actions);
        ground.simulator.set_policy(ACCOUNT, Some(&document(&[statement]))).unwrap();
    };
    let all = actions(statement);
    allow(&all);
    let arguments = ["--all-regions", "--default-key-pairs", "--output=table"];
    assert_eq!(ground.export(&arguments).await.code, Some(0));
    for action in &all {
        let left: Vec<String> = all.iter().filter(|other| *other != action).cloned().collect();
        allow(&left);
        let said = ground.export(&arguments).await;
        assert_eq!(said.code, Some(1), "{action}");
        assert!(said.err.contains(action), "{action}: {said:?}");
    }
    let asked = ground.simulator.requests();
    assert!(asked.iter().all(|request| request.operation.starts_with("Get")));
}

#[tokio::test]
async fn wrong_flags_end_it_and_the_help_has_three_examples() {
    let ground = Ground::new().await;
    ground.simulator.region(ACCOUNT, HERE).create_key_pair("made");
    let wrong = ground.export(&[]).await;
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""));
    let help = ground.export(&["--help"]).await;
    assert_eq!(help.out.matches("    lightsail-operator export ").count(), 3, "three examples");
}
