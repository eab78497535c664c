//! docs/how-to/terraform.md. Terraform is not here: a script does to a state what its commands do.

use std::collections::BTreeSet;

use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};
use testbed::simulator::Region;

use super::reader::Reader;
use crate::bed::{ACCOUNT, Bed, REGION};
use crate::markdown::root;

const TERRAFORM: &str = r#"
address='def address: [.module // empty, "\(.type).\(.name)"] | join(".");'
case $* in
"state pull") cat terraform.tfstate ;;
"state list") jq --raw-output "$address .resources[] | address" terraform.tfstate ;;
"state rm "*)
  jq --arg it "$3" "$address if any(.resources[]; address == \$it) then
    .resources |= map(select(address != \$it)) else error(\$it) end" terraform.tfstate > new
  mv new terraform.tfstate ;;
"plan -out plan.bin") touch plan.bin ;;
"show -json plan.bin") cat plan-in-json ;;
*) exit 1 ;;
esac"#;
const TABLE: &str = "lightsail-operator export --all-regions --output table";

fn fixture(name: &str) -> String {
    std::fs::read_to_string(root().join("tests/terraform").join(name)).unwrap()
}

/// Imports the key of a resource, with its attributes.
fn import(region: &Region, attributes: &Value) {
    let text = |member: &str| attributes[member].as_str().unwrap();
    region.import_key_pair(text("name"), text("public_key"));
}

/// A state with one resource, `aws_lightsail_key_pair.fleet`, and with others that are large.
fn state_of_fleet(attributes: &Value) -> String {
    let resource = |type_: &str, name: &str, attributes: &Value| {
        json!({ "mode": "managed", "type": type_, "name": name,
            "instances": [{ "attributes": attributes }] })
    };
    let large = resource("aws_instance", "web", &json!({ "user_data": "x".repeat(2 << 20) }));
    let fleet = resource("aws_lightsail_key_pair", "fleet", attributes);
    json!({ "version": 4, "resources": [large, fleet] }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_pairs_move_from_terraform_to_the_operator() {
    let bed = Bed::new("from-terraform").await;
    let _operator = bed.start().await;
    let state = fixture("aws-6.tfstate");
    let parsed: Value = serde_json::from_str(&state).unwrap();
    let resources = parsed["resources"].as_array().unwrap();
    for attributes in resources.iter().map(|it| &it["instances"][0]["attributes"]) {
        let region = attributes["region"].as_str().unwrap();
        import(&bed.simulator.region(ACCOUNT, region), attributes);
    }
    bed.region.create_default_key_pair();
    let before = bed.region.key_pairs();
    let mut reader = Reader::new(bed, "terraform.md");
    reader.program("terraform", TERRAFORM);
    let operator = format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_lightsail-operator"));
    reader.program_with_aws("lightsail-operator", &operator).await;
    reader.write("terraform.tfstate", &state);
    reader.follow_until(TABLE).await;

    let Reader { bed, .. } = &reader;
    assert!(!reader.read("terraform.tfstate").contains("aws_lightsail_key_pair"), "forgotten");
    let removed = reader.read("key-pairs.tf");
    for line in ["from = aws_lightsail_key_pair.fleet\n", "destroy = false\n"] {
        assert!(removed.contains(line), "{removed}");
    }
    let table = reader.sh(TABLE).await.stdout;
    let managed = table.lines().skip(1).map(|row| row.split_whitespace().last().unwrap());
    let owner = |name: &str| format!("test/{}/{name}", bed.namespace);
    let owners = [owner("edge-us-east-1"), owner("fleet-eu-west-1")];
    let managed: BTreeSet<_> = managed.map(str::to_owned).collect();
    assert_eq!(managed, owners.into(), "{table}");
    // The way back.
    for name in ["fleet-eu-west-1", "edge-us-east-1"] {
        bed.delete::<LightsailKeyPair>(name).await;
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
    assert_eq!(bed.region.key_pairs(), before);

    // A key pair that Lightsail made.
    let (pair, private) = bed.region.create_key_pair("made");
    let attributes = json!({ "name": "made", "region": REGION, "fingerprint": pair.fingerprint,
        "public_key": pair.public_key, "private_key": private });
    reader.write("terraform.tfstate", &state_of_fleet(&attributes));
    reader.follow_until("--from-secrets").await;
    let manifests = reader.read("pairs.yaml");
    assert!(manifests.contains("keyPairName: \"made\""), "{manifests}");
    assert!(manifests.contains("type: Generated"), "{manifests}");
    let private = reader.private_key("fleet").await;
    assert!(!manifests.contains(private.lines().nth(1).unwrap()));

    // A plan.
    let plan = fixture("aws-6-plan.json");
    let parsed: Value = serde_json::from_str(&plan).unwrap();
    let planned = &parsed["planned_values"]["root_module"]["resources"][1]["values"];
    import(&reader.bed.region, planned);
    reader.write("plan-in-json", &plan);
    reader.follow_until("plan.json").await;
    assert!(reader.read("pairs.yaml").contains("keyPairName: \"planned\""));

    // A large state.
    let export = |file: &str| format!("lightsail-operator export --all-regions --keys {file}");
    reader.write("terraform.tfstate", &state_of_fleet(planned));
    assert!(!reader.sh(&export("terraform.tfstate")).await.success);
    reader.follow_until("terraform state pull | jq '{ version").await;
    let short = reader.sh(&export("key-pairs.tfstate")).await;
    assert!(short.success && short.stdout.contains("keyPairName: \"planned\""), "{short:?}");
}
