//! Everything in JSON, for scripts. Pure.

use serde_json::{Value, json};

use super::exported::{Exported, Failed, Finding, Findings, Gone, Managed};
use super::keys::Location;
use super::text::escaped;
use crate::ids::{Fingerprint, Region};

/// What stands for all regions, if their list could not be read. No region is called so.
const ALL: &str = "all";

/// A list of key pairs, the regions that could not be read, and the region of each key pair that is
/// left out, because a value of it looks like a private key.
pub(super) fn document(findings: &Findings) -> String {
    let names = |regions: &[Region]| regions.iter().map(ToString::to_string).collect();
    let failed: Vec<String> = match &findings.failed {
        Failed::Regions(regions) => names(regions),
        Failed::List => vec![ALL.to_owned()],
    };
    let withheld: Vec<String> = names(&findings.withheld);
    let pairs: Vec<Value> = findings.pairs.iter().map(key_pair).collect();
    let document = json!({ "keyPairs": pairs, "failedRegions": failed, "withheld": withheld });
    escaped(&format!("{document:#}\n"))
}

/// Everything that any output has of a key pair.
pub(super) fn key_pair(exported: &Exported) -> Value {
    let Exported { account, region, pair, object, locations, instances, finding, .. } = exported;
    let mut value = json!({
        "accountID": account.as_str(),
        "region": region.as_str(),
        "name": pair.name.as_str(),
        "arn": pair.arn.as_str(),
        "fingerprint": pair.fingerprint.as_ref().map(Fingerprint::as_str),
        "createdAt": pair.created_at,
        "instances": instances,
        "keyFoundIn": locations.iter().map(location).collect::<Vec<_>>(),
    });
    match finding {
        Finding::Imported { line } => {
            value["object"] = json!({ "name": object, "type": "Imported", "publicKey": line });
        }
        Finding::Generated { secret } => {
            value["object"] = json!({ "name": object, "type": "Generated", "secret": secret });
        }
        Finding::Default => value["object"] = json!({ "name": object, "type": "Default" }),
        Finding::Managed { owner, is_gone } => {
            value["managedBy"] = match owner {
                Managed::By(owner) => {
                    let (namespace, name) = owner.object();
                    json!({ "cluster": owner.cluster(), "namespace": namespace, "name": name })
                }
                Managed::Unknown => json!({ "unknown": true }),
            };
            if let Some(gone) = is_gone {
                value["managedBy"]["gone"] = json!(match gone {
                    Gone::Namespace => "Namespace",
                    Gone::Object => "Object",
                });
            }
        }
        Finding::Unmatched(why) => {
            value["unmatched"] = json!({ "reason": why.code(), "message": why.words() });
        }
    }
    value
}

fn location(location: &Location) -> Value {
    match location {
        Location::File { path, line } => json!({ "file": path, "line": line }),
        Location::Terraform { path } => json!({ "terraform": path }),
        Location::Secret { namespace, name, key } => {
            json!({ "secret": { "namespace": namespace, "name": name, "key": key } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::exported::Why;
    use crate::export::samples::{exported, findings};
    use crate::ids::Owner;

    #[test]
    fn each_key_pair_has_an_object_an_owner_or_a_reason() {
        let owner = Managed::By(Owner::new("c1", "team-a", "build"));
        let imported = Exported {
            locations: vec![Location::File { path: "a\n\"b".to_owned(), line: None }],
            ..exported("fleet", Finding::Imported { line: "ssh-ed25519 AAAA".to_owned() })
        };
        let all = [
            imported,
            exported("build", Finding::Managed { owner, is_gone: Some(Gone::Object) }),
            exported("old", Finding::Unmatched(Why::NoKey)),
            exported("odd", Finding::Managed { owner: Managed::Unknown, is_gone: None }),
        ];
        let text = document(&findings(all.to_vec(), Failed::Regions(vec!["eu-south-2".into()])));
        let value: Value = serde_json::from_str(&text).unwrap();
        let pairs = &value["keyPairs"];
        let object = json!({ "name": "fleet-eu-west-1", "type": "Imported",
            "publicKey": "ssh-ed25519 AAAA" });
        assert_eq!(pairs[0]["object"], object);
        assert_eq!(pairs[0]["keyFoundIn"], json!([{ "file": "a\n\"b", "line": null }]));
        let managed =
            json!({ "cluster": "c1", "namespace": "team-a", "name": "build", "gone": "Object" });
        assert_eq!(pairs[1]["managedBy"], managed);
        assert_eq!(pairs[2]["unmatched"]["reason"], "NoKey");
        assert_eq!(pairs[3]["managedBy"], json!({ "unknown": true }));
        assert_eq!(value["failedRegions"], json!(["eu-south-2"]));
        let text = document(&findings(Vec::new(), Failed::List));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["failedRegions"], json!(["all"]), "no list is not a list of none");
    }
}
