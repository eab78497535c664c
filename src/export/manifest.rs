//! The manifests: one stream of YAML. Pure.
//!
//! The text is fixed, but for quoted JSON strings, and for words in comments (`text.rs`).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::exported::{Exported, Failed, Finding, Findings, Managed};
use super::report::count;
use super::text::{quoted, word};
use super::withheld::{LOOKS_PRIVATE, counts};

/// What the flags say of the manifests.
pub(super) struct Target<'a> {
    pub(super) namespace: &'a str,
    pub(super) account_ref: Option<&'a str>,
}

/// The manifests, after comments on what has none.
pub(super) fn manifests(findings: &Findings, target: &Target<'_>) -> String {
    let mut text = header(findings);
    for exported in &findings.pairs {
        if let Some(spec) = spec(&exported.finding) {
            let _ = write!(text, "{}", manifest(exported, &spec, target));
        }
    }
    text
}

fn header(findings: &Findings) -> String {
    let Findings { pairs, failed, default_pairs, withheld } = findings;
    let written = pairs.iter().filter(|exported| spec(&exported.finding).is_some()).count();
    let all = count(pairs.len(), "key pair");
    let accounts: BTreeSet<&str> = pairs.iter().map(|it| it.account.as_str()).collect();
    let accounts: Vec<&str> = accounts.into_iter().collect();
    let wherever = match &accounts[..] {
        [] => "Lightsail".to_owned(),
        [one] => format!("the account {}", word(one)),
        several => format!("the accounts {}", word(&several.join(", "))),
    };
    let mut text = format!("# Manifests for {written} of {all} in {wherever}\n");
    match failed {
        Failed::Regions(regions) => {
            for region in regions {
                let _ = writeln!(text, "# {} could not be read", word(region.as_str()));
            }
        }
        Failed::List => text.push_str("# The list of regions could not be read\n"),
    }
    if *default_pairs > 0 {
        let left_out = count(*default_pairs, "default key pair");
        let _ = writeln!(text, "# No manifest for {left_out} - see --default-key-pairs");
    }
    for (region, pairs) in counts(withheld) {
        let region = word(region.as_str());
        let _ = writeln!(text, "# No manifest for {pairs} in {region} - {LOOKS_PRIVATE}");
    }
    for exported in pairs {
        let (region, name) = (word(exported.region.as_str()), word(exported.pair.name.as_str()));
        let why = match &exported.finding {
            Finding::Unmatched(why) => why.words().to_owned(),
            Finding::Managed { owner, is_gone } => {
                let gone = is_gone.map(|gone| format!(" - {}", gone.words())).unwrap_or_default();
                match owner {
                    Managed::By(owner) => {
                        let (namespace, object) = owner.object();
                        let (cluster, namespace) = (word(owner.cluster()), word(namespace));
                        let object = word(object);
                        format!("cluster {cluster} manages it as {namespace} {object}{gone}")
                    }
                    Managed::Unknown => {
                        "an unknown owner manages it - its owner tag names no object".to_owned()
                    }
                }
            }
            Finding::Imported { .. } | Finding::Generated { .. } | Finding::Default => continue,
        };
        let _ = writeln!(text, "# No manifest for {name} in {region} - {why}");
    }
    text
}

/// The parts of the spec that depend on the finding.
struct Spec<'a> {
    type_: &'static str,
    comment: Option<String>,
    settings: Option<(&'static str, &'a str)>,
}

fn spec(finding: &Finding) -> Option<Spec<'_>> {
    Some(match finding {
        Finding::Imported { line } => Spec {
            type_: "Imported",
            comment: None,
            settings: Some(("  imported:\n    publicKey", line)),
        },
        Finding::Generated { secret } => Spec {
            type_: "Generated",
            comment: Some(format!(
                "# Applying this adds a label and annotations to the Secret {}",
                word(secret)
            )),
            settings: Some(("  generated:\n    secret:\n      name", secret)),
        },
        Finding::Default => Spec {
            type_: "Default",
            comment: Some("# Suspended, so the operator changes nothing".to_owned()),
            settings: None,
        },
        Finding::Managed { .. } | Finding::Unmatched(_) => return None,
    })
}

fn manifest(exported: &Exported, spec: &Spec<'_>, target: &Target<'_>) -> String {
    let is_default = exported.finding == Finding::Default;
    let mut text = String::from("---\n");
    if let Some(comment) = &spec.comment {
        let _ = writeln!(text, "{comment}");
    }
    let _ = write!(
        text,
        "apiVersion: lightsail-operator.dev/v1alpha1\n\
         kind: LightsailKeyPair\n\
         metadata:\n  name: {}\n  namespace: {}\n\
         spec:\n",
        quoted(&exported.object),
        quoted(target.namespace)
    );
    if let Some(account) = target.account_ref {
        let _ = writeln!(text, "  accountRef:\n    name: {}", quoted(account));
    }
    let _ = writeln!(text, "  type: {}", spec.type_);
    let _ = writeln!(text, "  region: {}", quoted(exported.region.as_str()));
    if is_default {
        text.push_str("  suspend: true\n");
    } else {
        let _ = writeln!(text, "  keyPairName: {}", quoted(exported.pair.name.as_str()));
    }
    text.push_str("  adoptionPolicy: IfFingerprintMatches\n  deletionPolicy: Retain\n");
    if let Some((member, value)) = spec.settings {
        let _ = writeln!(text, "{member}: {}", quoted(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::api::LightsailKeyPair;
    use crate::export::exported::{Gone, Why};
    use crate::export::samples::{exported, findings};
    use crate::ids::{Owner, Region};

    const TARGET: Target<'_> = Target { namespace: "team-a", account_ref: Some("prod") };

    fn written(all: &[Exported]) -> (String, Vec<serde_json::Value>) {
        let failed = Failed::Regions(vec!["eu-south-2".into()]);
        let text = manifests(&findings(all.to_vec(), failed), &TARGET);
        let documents = serde_yaml_ng::Deserializer::from_str(&text);
        let documents = documents.map(|one| serde_json::Value::deserialize(one).unwrap());
        let documents: Vec<_> = documents.filter(|one| !one.is_null()).collect();
        (text, documents)
    }

    fn hostile() -> &'static str {
        "x\n---\nkind: Secret\n# \u{85}\u{2028}\"'\\ {a: b} \u{1b}[2J é"
    }

    #[test]
    fn each_finding_is_an_object_as_the_operator_reads_it() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDgePlWGvVC6/4o6PS61Sj/Z+AI7opc3ei2WsC/PdvZo";
        let (text, documents) = written(&[
            exported("fleet", Finding::Imported { line: key.to_owned() }),
            exported("build", Finding::Generated { secret: "build-ssh".to_owned() }),
            exported("LightsailDefaultKeyPair", Finding::Default),
        ]);
        let objects: Vec<LightsailKeyPair> =
            documents.into_iter().map(|one| serde_json::from_value(one).unwrap()).collect();
        let [fleet, build, default] = &objects[..] else { panic!("{text}") };
        for object in &objects {
            assert_eq!(object.metadata.namespace.as_deref(), Some("team-a"));
            assert_eq!(object.spec.account_ref.as_ref().unwrap().name, "prod");
            let spec = serde_json::to_value(&object.spec).unwrap();
            assert_eq!(spec["adoptionPolicy"], "IfFingerprintMatches");
            assert_eq!(spec["deletionPolicy"], "Retain");
            assert_eq!(spec["region"], "eu-west-1");
            assert_eq!(spec["tags"], serde_json::Value::Null);
        }
        assert_eq!(fleet.metadata.name.as_deref(), Some("fleet-eu-west-1"));
        assert_eq!(fleet.spec.key_pair_name.as_deref(), Some("fleet"));
        assert_eq!(fleet.spec.imported.as_ref().unwrap().public_key.as_deref(), Some(key));
        let secret = build.spec.generated.as_ref().unwrap().secret.as_ref().unwrap();
        assert_eq!(secret.name.as_deref(), Some("build-ssh"));
        assert!(!fleet.spec.suspend && !build.spec.suspend && default.spec.suspend);
        assert_eq!(default.spec.key_pair_name, None);
        let comment = "# Applying this adds a label and annotations to the Secret build-ssh\n";
        assert!(text.contains(comment), "{text}");
    }

    #[test]
    fn nothing_that_was_read_becomes_yaml() {
        let owner = Managed::By(Owner::from(hostile()));
        let (text, documents) = written(&[
            exported(hostile(), Finding::Imported { line: hostile().to_owned() }),
            exported(hostile(), Finding::Generated { secret: hostile().to_owned() }),
            exported(hostile(), Finding::Managed { owner, is_gone: Some(Gone::Object) }),
            exported(hostile(), Finding::Managed { owner: Managed::Unknown, is_gone: None }),
            exported(hostile(), Finding::Unmatched(Why::NoKey)),
        ]);
        let kinds: Vec<_> = documents.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["LightsailKeyPair", "LightsailKeyPair"], "{text}");
        assert_eq!(documents[0]["spec"]["keyPairName"], hostile());
        let comments = text.lines().filter_map(|line| line.strip_prefix('#'));
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "_.- ".contains(char);
        let mut count = 0;
        for comment in comments {
            assert!(comment.chars().all(is_plain), "{comment:?}");
            count += 1;
        }
        assert_eq!(count, 6, "{text}");
        assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn every_reason_can_stand_in_a_comment() {
        for why in [
            Why::NoFingerprint,
            Why::UnknownFingerprint,
            Why::NoKey,
            Why::MadeByLightsail,
            Why::PrivateKeyNeeded,
            Why::NameUnusable,
        ] {
            assert_eq!(word(&why.words().replace(' ', "-")), why.words().replace(' ', "-"));
        }
        let (text, documents) = written(&[exported("a", Finding::Unmatched(Why::NoFingerprint))]);
        assert!(documents.is_empty());
        let expected = "# Manifests for 0 of 1 key pair in the account 123456789012\n\
                        # eu-south-2 could not be read\n\
                        # No manifest for a in eu-west-1 - Lightsail lists no fingerprint\n";
        assert_eq!(text, expected);
        let withheld = ["eu-west-1", "eu-west-1", "us-east-1"].map(Region::from).to_vec();
        let text = manifests(
            &Findings { default_pairs: 4, withheld, ..findings(Vec::new(), Failed::List) },
            &TARGET,
        );
        let expected = "# Manifests for 0 of 0 key pairs in Lightsail\n\
                        # The list of regions could not be read\n\
                        # No manifest for 4 default key pairs - see --default-key-pairs\n\
                        # No manifest for 2 key pairs in eu-west-1 - a name or another value \
                        looks like a private key\n\
                        # No manifest for 1 key pair in us-east-1 - a name or another value \
                        looks like a private key\n";
        assert_eq!(text, expected);
    }
}
