//! Everything in JSON, for scripts. Pure.

use serde_json::{Value, json};

use super::exported::{Exported, Finding, Gone, Managed};
use super::keys::Place;
use crate::ids::{Fingerprint, Region};

/// A list of key pairs, and the regions that could not be read.
pub(super) fn document(all: &[Exported], failed: &[Region]) -> String {
    let failed: Vec<&str> = failed.iter().map(Region::as_str).collect();
    let pairs: Vec<Value> = all.iter().map(key_pair).collect();
    format!("{:#}\n", json!({ "keyPairs": pairs, "failedRegions": failed }))
}

fn key_pair(exported: &Exported) -> Value {
    let Exported { account, region, pair, object, places, instances, finding, .. } = exported;
    let mut value = json!({
        "accountID": account.as_str(),
        "region": region.as_str(),
        "name": pair.name.as_str(),
        "arn": pair.arn.as_str(),
        "fingerprint": pair.fingerprint.as_ref().map(Fingerprint::as_str),
        "createdAt": pair.created_at,
        "instances": instances,
        "keyFoundIn": places.iter().map(place).collect::<Vec<_>>(),
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
                Managed::Unknown => json!({}),
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

fn place(place: &Place) -> Value {
    match place {
        Place::File { path, line } => json!({ "file": path, "line": line }),
        Place::Terraform { path } => json!({ "terraform": path }),
        Place::Secret { namespace, name, key } => {
            json!({ "secret": { "namespace": namespace, "name": name, "key": key } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::exported::Why;
    use crate::export::samples::exported;
    use crate::ids::Owner;

    #[test]
    fn each_key_pair_has_an_object_an_owner_or_a_reason() {
        let owner = Managed::By(Owner::new("c1", "team-a", "build"));
        let imported = Exported {
            places: vec![Place::File { path: "a\n\"b".to_owned(), line: None }],
            ..exported("fleet", Finding::Imported { line: "ssh-ed25519 AAAA".to_owned() })
        };
        let all = [
            imported,
            exported("build", Finding::Managed { owner, is_gone: Some(Gone::Object) }),
            exported("old", Finding::Unmatched(Why::NoKey)),
        ];
        let text = document(&all, &["eu-south-2".into()]);
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
        assert_eq!(value["failedRegions"], json!(["eu-south-2"]));
    }
}
