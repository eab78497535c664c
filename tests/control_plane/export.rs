//! `lightsail-operator export`, as somebody uses it who has key pairs already: exported, applied,
//! adopted, and exported again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Output;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, ObjectMeta, PostParams};
use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::ssh::PublicKey;
use serde_json::{Value, json};
use testbed::simulator::{KeyPair, NewInstance, Region};

use crate::bed::{
    ACCOUNT, Bed, REGION, is_ready, is_verified, key_pair_files, public_key, wait_for,
};

const REGIONS: [&str; 4] = [REGION, "us-east-1", "eu-central-1", "ap-southeast-2"];
const OWNER_TAG: &str = "lightsail-operator.dev/owner";
const DEFAULT: &str = "LightsailDefaultKeyPair";

/// Somebody with key pairs in four regions, and their keys in files, Terraform and Secrets.
struct Ground {
    bed: Bed,
    folder: PathBuf,
    regions: Vec<Region>,
    /// The SHA-256 of the key of each pair that is to be matched.
    expected: BTreeMap<(String, String), String>,
}

fn sha256(public: &str) -> String {
    PublicKey::parse(public).unwrap().sha256()
}

impl Ground {
    async fn new() -> Self {
        let bed = Bed::new("export").await;
        let folder = bed.options(None).await.log.parent().unwrap().join("keys");
        let regions = REGIONS.map(|region| bed.simulator.region(ACCOUNT, region)).to_vec();
        Self { bed, folder, regions, expected: BTreeMap::new() }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Imports a key, and notes that its pair is to be matched.
    fn import(&mut self, region: usize, name: &str, public: &str) -> KeyPair {
        let pair = self.regions[region].import_key_pair(name, public.trim());
        self.expect(region, name, public);
        pair
    }

    fn expect(&mut self, region: usize, name: &str, public: &str) {
        let key = (REGIONS[region].to_owned(), name.to_owned());
        assert_eq!(self.expected.insert(key, sha256(public)), None, "{name}");
    }

    async fn keep(&self, name: &str, private: &str) {
        let data = [("ssh-privatekey".to_owned(), ByteString(private.as_bytes().to_vec()))];
        let secret = Secret {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            type_: Some("kubernetes.io/ssh-auth".to_owned()),
            data: Some(data.into_iter().collect()),
            ..Secret::default()
        };
        self.bed.secrets().create(&PostParams::default(), &secret).await.unwrap();
    }

    /// 15 pairs in each region, by every way in which they come to be, and all keys but one where
    /// the export finds them.
    async fn set(&mut self) {
        let shared = [public_key("rsa"), public_key("rsa")];
        self.write(
            "team/authorized_keys",
            &format!("# ours\n{}restrict,command=\"a b\" {}", shared[0], shared[1]),
        );
        let private = [key_pair_files("ed25519"), key_pair_files("ed25519")];
        for (index, (private, _)) in private.iter().enumerate() {
            self.bed.note_private_key(&format!("file-{index}"), private);
            self.write(&format!("private/id_{index}"), private);
        }
        let (mut state, mut plan) = (Vec::new(), Vec::new());
        for region in 0..REGIONS.len() {
            for index in 0..3 {
                let key = public_key("ed25519");
                self.write(&format!("public/{region}-{index}.pub"), &key);
                self.import(region, &format!("Fleet_{index}.a"), &key);
            }
            for (index, key) in shared.iter().enumerate() {
                self.import(region, &format!("shared-{index}"), key);
            }
            for (index, (_, public)) in private.iter().enumerate() {
                self.import(region, &format!("own-{index}"), public);
            }
            for index in 0..3 {
                let key = public_key("ed25519");
                let pair = self.import(region, &format!("terraform-{index}"), &key);
                let attributes = json!({ "public_key": key.trim(), "name": pair.name,
                    "fingerprint": pair.fingerprint, "private_key": "SENTINEL" });
                if region < 2 { state.push(attributes) } else { plan.push(attributes) }
            }
            for index in 0..2 {
                let name = format!("made-{index}");
                let (pair, private) = self.regions[region].create_key_pair(&name);
                self.expect(region, &name, &pair.public_key);
                self.bed.note_private_key(&format!("made-{region}-{index}"), &private);
                self.keep(&format!("made-{region}-{index}"), &private).await;
            }
            let (private, public) = key_pair_files("ed25519");
            self.bed.note_private_key(&format!("kept-{region}"), &private);
            self.keep(&format!("kept-{region}"), &private).await;
            self.import(region, "kept", &public);
            let (_, private) = self.regions[region].create_key_pair("nobodys");
            self.bed.note_private_key(&format!("nobodys-{region}"), &private);
            self.regions[region].create_default_key_pair();
            self.regions[region].set_tags("Fleet_0.a", &[("team", Some("a")), ("alone", None)]);
            self.regions[region].set_tags("made-0", &[("team", Some("b"))]);
            let web = NewInstance {
                name: "web-1".to_owned(),
                key_pair_name: Some("own-0".to_owned()),
                ..NewInstance::default()
            };
            self.regions[region].launch(web);
        }
        let instances: Vec<Value> =
            state.iter().map(|attributes| json!({ "attributes": attributes })).collect();
        let state = json!({ "version": 4, "resources": [{ "mode": "managed",
            "type": "aws_lightsail_key_pair", "name": "a", "instances": instances }] });
        self.write("terraform.tfstate", &state.to_string());
        let resources: Vec<Value> = plan
            .iter()
            .map(|values| {
                json!({ "mode": "managed", "type": "aws_lightsail_key_pair", "values": values })
            })
            .collect();
        let plan = json!({ "format_version": "1.2", "planned_values": { "root_module": {
            "child_modules": [{ "resources": resources }] } } });
        self.write("plan.json", &plan.to_string());
        // Owners that are gone.
        let namespace = &self.bed.namespace;
        for (region, owner) in
            [(0, format!("test/{namespace}/gone")), (1, "test/no-such-namespace/x".to_owned())]
        {
            self.regions[region].set_tags("nobodys", &[(OWNER_TAG, Some(&owner))]);
        }
    }

    /// The kubeconfig of somebody who may read Secrets and objects of the namespace, and no more.
    async fn reader(&self) -> PathBuf {
        let (namespace, path) = (&self.bed.namespace, self.folder.with_file_name("reader"));
        let (own, subject) = (
            format!("--namespace={namespace} create"),
            format!("--serviceaccount={namespace}:reader"),
        );
        for arguments in [
            format!("{own} serviceaccount reader"),
            format!(
                "{own} role reader --verb=get,list \
                 --resource=secrets,lightsailkeypairs.lightsail-operator.dev"
            ),
            format!("{own} rolebinding reader --role=reader {subject}"),
            format!("create clusterrole {namespace} --verb=get --resource=namespaces"),
            format!("create clusterrolebinding {namespace} --clusterrole={namespace} {subject}"),
        ] {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            self.bed.cluster.kubectl(&arguments).await.unwrap().or_error().unwrap();
        }
        let cluster = &self.bed.cluster;
        cluster.service_account_kubeconfig(namespace, "reader", &path, None).await.unwrap();
        path
    }

    /// Runs an export. What it says goes where the search for private keys finds it.
    async fn export(&self, kubeconfig: &Path, more: &[&str]) -> Output {
        let options = self.bed.options(None).await;
        let mut command = tokio::process::Command::new(&options.binary);
        command.env_clear().env("KUBECONFIG", kubeconfig).envs(options.environment);
        command.args(["export", "--namespace", &self.bed.namespace, "--cluster-id", "test"]);
        command.args(["--default-key-pairs", "--from-secrets", &self.bed.namespace]);
        command.args(REGIONS.map(|region| format!("--region={region}"))).args(more);
        for name in ["public", "team", "private", "terraform.tfstate", "plan.json"] {
            command.arg("--keys").arg(self.folder.join(name));
        }
        let output = command.output().await.unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        std::fs::write(options.log.with_file_name(format!("export{}.log", more.len())), &said)
            .unwrap();
        assert!(!String::from_utf8_lossy(&said).contains("SENTINEL"));
        output
    }

    async fn json(&self, kubeconfig: &Path) -> Vec<Value> {
        let output = self.export(kubeconfig, &["--check-owners", "--output", "json"]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["keyPairs"].as_array().unwrap().clone()
    }

    fn world(&self) -> Vec<Vec<KeyPair>> {
        let without_owner = |mut pair: KeyPair| {
            pair.tags.retain(|key, _| key != OWNER_TAG);
            pair
        };
        let of = |region: &Region| region.key_pairs().into_iter().map(without_owner).collect();
        self.regions.iter().map(of).collect()
    }
}

/// Where a pair is.
fn at(pair: &Value) -> (String, String) {
    let text = |member: &str| pair[member].as_str().unwrap().to_owned();
    (text("region"), text("name"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_key_pairs_are_exported_applied_and_adopted() {
    let mut ground = Ground::new().await;
    ground.set().await;
    let reader = ground.reader().await;
    let before = ground.world();
    assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 60);

    let table = ground.export(&reader, &["--check-owners", "--output=table"]).await;
    let table = String::from_utf8(table.stdout).unwrap();
    eprintln!("{table}");
    assert_eq!(table.lines().count(), 61);
    let row = |name: &str, region: &str| {
        let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.find(|cells| cells[..2] == [name, region]).unwrap().join(" ")
    };
    assert!(row("own-0", "us-east-1").contains(" web-1 "), "{table}");
    assert!(row("nobodys", REGION).ends_with("/gone (object gone)"), "{table}");
    assert!(row("nobodys", "us-east-1").ends_with("/x (namespace gone)"), "{table}");

    let manifests = ground.export(&reader, &[]).await;
    let said = String::from_utf8_lossy(&manifests.stderr).into_owned();
    assert_eq!(manifests.status.code(), Some(0), "{said}");
    for region in 0..REGIONS.len() {
        for name in [format!("made-{region}-0"), format!("kept-{region}")] {
            assert!(said.contains(&name), "a Secret that an apply marks: {said}");
        }
    }
    assert!(ground.bed.simulator.requests().iter().all(|it| it.operation.starts_with("Get")));

    let _operator = ground.bed.start().await;
    let (bed, text) = (&ground.bed, String::from_utf8(manifests.stdout).unwrap());
    let applied = bed.cluster.kubectl_with_input(&["apply", "--filename=-"], &text).await.unwrap();
    applied.or_error().unwrap();
    let objects = async || bed.api::<LightsailKeyPair>().list(&ListParams::default()).await;
    wait_for("all are adopted", async || {
        let adopted = |it: &&LightsailKeyPair| is_ready(*it, "Adopted");
        objects().await.unwrap().iter().filter(adopted).count() == ground.expected.len()
    })
    .await;

    let mut adopted = BTreeMap::new();
    let mut suspended = 0;
    for object in objects().await.unwrap() {
        let (spec, status) = (&object.spec, object.status.clone().unwrap());
        if spec.suspend {
            assert_eq!(status.planned_step.as_deref(), Some("Download"));
            suspended += 1;
            continue;
        }
        assert_eq!(is_verified(&object), Some("True"), "{status:?}");
        let name = spec.key_pair_name.clone().unwrap();
        adopted.insert((spec.region.clone(), name), status.public_key_sha256.unwrap());
    }
    assert_eq!(adopted, ground.expected, "each with its own key");
    assert_eq!(suspended, REGIONS.len());
    assert_eq!(ground.world(), before, "nothing is changed but owner tags");
    let changes = bed.simulator.requests().into_iter().map(|request| request.operation);
    let changes: BTreeSet<String> = changes.filter(|name| !name.starts_with("Get")).collect();
    assert_eq!(changes, ["TagResource".to_owned()].into());

    for pair in ground.json(&reader).await {
        let (at, is_default) = (at(&pair), pair["name"] == DEFAULT);
        let is_tagged = pair["name"] == "nobodys" && REGIONS[..2].contains(&at.0.as_str());
        let is_managed = ground.expected.contains_key(&at);
        assert_eq!(pair["managedBy"].is_object(), is_managed || is_tagged, "{pair}");
        assert_eq!(pair["managedBy"]["gone"].is_string(), is_tagged, "{pair}");
        assert_eq!(pair["object"]["type"] == "Default", is_default, "{pair}");
    }
    let forbidden = ground.export(&reader, &["--from-secrets=kube-system", "-o", "json"]).await;
    let said = String::from_utf8_lossy(&forbidden.stderr).into_owned();
    assert_eq!(forbidden.status.code(), Some(1), "{said}");
    assert!(said.contains("the Secrets of the namespace kube-system cannot be read"), "{said}");
    assert!(serde_json::from_slice::<Value>(&forbidden.stdout).is_ok(), "the rest goes on");
    let again = ground.export(&reader, &[]).await;
    let again = String::from_utf8(again.stdout).unwrap();
    assert_eq!(again.matches("kind: ").count(), REGIONS.len(), "only default pairs: {again}");
}
