//! The pages of docs/how-to, each followed from its first to its last block. What a test asserts
//! besides is what the page promises in prose.

use kube::api::DeleteParams;
use lightsail_operator::api::conditions::READY;
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::cluster::Output;
use testbed::simulator::NewInstance;

use self::reader::{AWS, Reader};
use crate::bed::{Bed, REGION, is_ready, public_half, ready_reason, reset, wait_for};

mod install;
pub(crate) mod reader;
mod terraform;

/// Lets in whom an `authorized_keys` below `hosts` lets in, and runs the command there.
const SSH: &str = r#"
while [[ $1 == -* ]]; do
  case $1 in
  -n) exec < /dev/null; shift ;;
  -i) key=$2; shift 2 ;;
  -o) shift 2 ;;
  esac
done
home=$PWD/hosts/${1#*@}
if ! grep -qF "$(ssh-keygen -yf "$key" | cut -d' ' -f2)" "$home/.ssh/authorized_keys"; then
  echo "$1: Permission denied (publickey)." >&2
  exit 255
fi
HOME=$home exec bash -c "${*:2}""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_rotated_and_nobody_is_locked_out() {
    let bed = Bed::new("rotate").await;
    let _operator = bed.start().await;
    let spec = json!({ "type": "Generated", "region": REGION });
    bed.create::<LightsailKeyPair>("fleet-2026-05", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("fleet-2026-05", "Generated").await;
    let old = bed.region.find_key_pair("fleet-2026-05").unwrap();
    let key_pair_name = Some("fleet-2026-05".to_owned());
    bed.region.launch(NewInstance {
        name: "web-1".to_owned(),
        key_pair_name,
        ..NewInstance::default()
    });
    bed.region.add_instance("other");
    let mut reader = Reader::new(bed, "rotate-a-key.md");
    reader.private_key("fleet-2026-05").await;
    let hosts = ["web-1.example.com", "web-2.example.com"]
        .map(|host| format!("hosts/{host}/.ssh/authorized_keys"));
    // Not every editor ends the last line.
    for (file, end) in hosts.iter().zip(["\n", ""]) {
        reader.write(file, &format!("{}{end}", old.public_key.trim()));
    }
    reader.program("ssh", SSH);
    reader.program_with_aws("aws", AWS).await;
    reader.follow().await;
    assert_eq!(reader.read("printed-by-aws"), "web-1\n");
    let Reader { bed, .. } = &reader;
    let new = reader.private_key("fleet-2026-11").await;
    for file in &hosts {
        let there = reader.read(file);
        let lines = there.lines().filter(|line| !line.is_empty());
        let keys: Vec<_> = lines.map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(keys, [public_half(&new).split(' ').nth(1)], "{file}");
    }
    let names: Vec<_> = bed.region.key_pairs().into_iter().map(|pair| pair.name).collect();
    assert_eq!(names, ["fleet-2026-11"]);
    assert_eq!(bed.secrets().get_opt("fleet-2026-05").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_key_pair_is_backed_up_and_deleted() {
    let bed = Bed::new("delete-default").await;
    let there = bed.region.create_default_key_pair();
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    let mut reader = Reader::new(bed, "delete-a-default-key-pair.md");
    reader.reads("ce:5a:93:4c:7b:53:ad:76:24:ff:31:2b:69:69:a8:e1", &there.fingerprint);
    reader.program_with_aws("aws", AWS).await;
    reader.follow().await;
    assert_eq!(reader.read("printed-by-aws"), "web-1\n");
    let Reader { bed, .. } = &reader;
    assert_eq!(bed.region.find_default_key_pair(), None);
    let backup = reader.read("lightsail-default-eu-west-1.pem");
    assert_eq!(public_half(&backup), there.public_key.trim());
    assert_eq!(reader.private_key("lightsail-default-eu-west-1").await, backup);
    // What is said to happen afterwards.
    let another = bed.region.create_default_key_pair();
    bed.reconcile_now::<LightsailKeyPair>("default-eu-west-1").await;
    bed.wait_stalled::<LightsailKeyPair>("default-eu-west-1", "FingerprintMismatch").await;
    bed.delete::<LightsailKeyPair>("default-eu-west-1").await;
    bed.wait_gone::<LightsailKeyPair>("default-eu-west-1").await;
    assert_eq!(bed.region.find_default_key_pair(), Some(another));
    assert_eq!(reader.private_key("lightsail-default-eu-west-1").await, backup);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_approvers_start_a_reset() {
    let bed = Bed::new("approval").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    let mut reader = Reader::new(bed, "reset-with-approval.md");
    reader.follow().await;
    let Reader { bed, .. } = &reader;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    // Who may change everything but approve does not get around the policy.
    let mut spec = reset();
    spec["suspend"] = json!(true);
    bed.create::<HostKeyReset>("asked", &spec).await;
    bed.wait("asked", "Suspended", |it: &HostKeyReset| ready_reason(it) == "Suspended").await;
    let refused = reader
        .sh("kubectl create role editor --resource hostkeyresets --verb get,patch
             kubectl create rolebinding editor --role editor --group editors
             kubectl patch hkr asked --type merge --patch '{\"spec\":{\"suspend\":false}}' \
               --as ann --as-group editors")
        .await;
    assert!(refused.stderr.contains("a HostKeyReset needs approval"), "{refused:?}");
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_limits_what_a_namespace_may_ask_for() {
    let bed = Bed::new("limits").await;
    let _operator = bed.start().await;
    let generated = json!({ "type": "Generated", "region": REGION });
    bed.create::<LightsailKeyPair>("before", &generated).await;
    bed.wait_ready::<LightsailKeyPair>("before", "Generated").await;
    let mut reader = Reader::new(bed, "admission-policies.md");
    reader.follow_until("error: failed to create secret").await;
    let Reader { bed, .. } = &reader;
    let with = |mut spec: Value, field: &str, value: Value| {
        spec[field] = value;
        spec
    };
    let own = format!("{}_web", bed.namespace);
    let named = with(generated, "keyPairName", json!(own));
    for (spec, said) in [
        (json!({ "type": "Default", "region": REGION }), "for the platform team only"),
        (with(named.clone(), "adoptionPolicy", json!("TakeOver")), "not taken over here"),
    ] {
        let refused = bed.try_create::<LightsailKeyPair>("other", &spec).await.unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let refused = bed.try_create::<HostKeyReset>("reset", &reset()).await.unwrap_err();
    assert!(refused.to_string().contains("the name web-1 does not begin with"), "{refused}");
    // The operator, which may not write other Secrets, writes those of key pairs.
    let again = with(named.clone(), "keyPairName", json!(format!("{own}_again")));
    bed.create::<LightsailKeyPair>("again", &again).await;
    bed.wait_ready::<LightsailKeyPair>("again", "Generated").await;
    bed.create::<HostKeyReset>("reset", &with(reset(), "instanceName", json!(own))).await;
    bed.wait_stalled::<HostKeyReset>("reset", "InstanceNotFound").await;
    // What was there before goes on, may not ask for more, and can be deleted.
    let longer =
        reader.sh("kubectl patch lskp before --type merge -p '{\"spec\":{\"interval\":\"1h\"}}'");
    let Output { stderr, .. } = longer.await;
    assert!(stderr.contains("the name before does not begin with"), "{stderr}");
    bed.reconcile_now::<LightsailKeyPair>("before").await;
    bed.delete::<LightsailKeyPair>("before").await;
    bed.wait_gone::<LightsailKeyPair>("before").await;
    assert_eq!(bed.region.find_key_pair("before"), None);
    // The limits are removed, from the namespace and then from the cluster.
    reader.follow_until("kubectl label namespace team-a lightsail.example.com/limited-").await;
    let Reader { bed, .. } = &reader;
    let is_accepted = async || bed.try_create::<HostKeyReset>("unlimited", &reset()).await.is_ok();
    wait_for("a reset without a prefix", is_accepted).await;
    reader.follow_until("kubectl delete -f limits.yaml").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_key_is_copied_to_a_vault_and_restored() {
    let bed = Bed::new("vault").await;
    let _operator = bed.start().await;
    let kubectl = bed.cluster.tools().join("kubectl").display().to_string();
    let mut reader = Reader::new(bed, "copy-to-a-vault.md");
    // What External Secrets does with its object is not tested here.
    let of_others = "[[ $* == *push-secret.yaml* || $* == *pushsecret/build-ssh* ]] && exit 0";
    reader.program("kubectl", &format!("{of_others}\nexec {kubectl} \"$@\""));
    let vault = "case $2 in\nput) cat > in-the-vault ;;\nget) cat in-the-vault ;;\nesac";
    reader.program("vault", vault);
    reader.follow_until("diff <(vault").await;
    let Reader { bed, .. } = &reader;
    let private = reader.private_key("build-ssh").await;
    assert_eq!(reader.read("in-the-vault"), private);
    let there = bed.region.find_key_pair("build").unwrap();
    let push: Value = serde_yaml_ng::from_str(&reader.read("push-secret.yaml")).unwrap();
    let secret = bed.secrets().get("build-ssh").await.unwrap();
    assert_eq!(push["spec"]["selector"]["secret"]["name"], *secret.metadata.name.as_ref().unwrap());
    let keys: Vec<_> = secret.data.unwrap().into_keys().collect();
    assert!(keys.iter().any(|key| push["spec"]["data"][0]["match"]["secretKey"] == **key));

    bed.secrets().delete("build-ssh", &DeleteParams::default()).await.unwrap();
    reader.follow().await;
    let Reader { bed, .. } = &reader;
    assert_eq!(public_half(&reader.private_key("build-ssh").await), public_half(&private));
    assert_eq!(bed.region.find_key_pair("build"), Some(there));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terraform_runs_when_the_key_pair_of_its_instances_is_there() {
    let bed = Bed::new("terraform").await;
    let _operator = bed.start().await;
    let mut reader = Reader::new(bed, "terraform-instances.md");
    reader.program("terraform", "kubectl get lskp fleet --output json > fleet-at-apply.json");
    reader.program("ssh", SSH);
    reader.follow_until("terraform apply").await;
    let Reader { bed, .. } = &reader;
    let there = bed.region.find_key_pair("fleet").unwrap();
    let object: LightsailKeyPair =
        serde_json::from_str(&reader.read("fleet-at-apply.json")).unwrap();
    assert!(is_ready(&object, "Generated"));
    let names_it = |configuration: &str| {
        let line = configuration.lines().find(|line| line.contains("key_pair_name ")).unwrap();
        line.split('"').nth(1).map(str::to_owned) == object.status.clone().unwrap().key_pair_name
    };
    assert!(names_it(&reader.read("web.tf")));
    reader.write("hosts/web-1.example.com/.ssh/authorized_keys", &there.public_key);
    reader.follow().await;
    reader.private_key("fleet-ssh").await;
    let configuration = reader.read("web.tf");
    assert!(names_it(&configuration));
    // Both refer to what is there: the file, and a condition that the object has.
    assert!(configuration.contains("file(\"${path.module}/fleet.yaml\")"));
    for (name, value) in [("type", READY), ("status", "True")] {
        let is_set = |line: &str| {
            line.split_once('=').is_some_and(|(left, right)| {
                left.trim() == name && right.trim().trim_matches('"') == value
            })
        };
        assert!(configuration.lines().any(is_set), "{name} = {value}");
    }
}
