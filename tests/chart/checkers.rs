//! What checkov and kube-score find in the chart's rendering. Each finding that stays has its
//! reason here, and one that is no more there must go from here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::{render, root, tools};

/// Finding, whether of the defaults or with everything on, and why it stays.
type Waiver = (&'static str, &'static str, &'static str);

const CHECKOV: &[Waiver] = &[
    ("CKV_K8S_11", "both", "no limit for CPU: a leader that is throttled may lose its Lease"),
    ("CKV_K8S_38", "both", "the operator talks to the API server, so that its pods have a token"),
    (
        "CKV_K8S_43",
        "defaults",
        "the digest of an image is known when it is released; image.digest sets it",
    ),
    (
        "CKV_K8S_15",
        "defaults",
        "a tag of a release does not move, and nodes keep working while the registry is away",
    ),
    (
        "CKV2_K8S_6",
        "defaults",
        "networkPolicy.enabled: where the API server is differs from cluster to cluster",
    ),
    (
        "CKV2_K8S_5",
        "everything",
        "which Secrets have the credentials of accounts is in the accounts; they are read by name, \
         in the operator's own namespace only",
    ),
    (
        "CKV_K8S_21",
        "everything",
        "Events about what is in no namespace, as accounts, are written to this one",
    ),
    (
        "CKV_K8S_35",
        "everything",
        "only with aws.existingSecret, and AWS's variables are what people have; nothing in the \
         image can print them",
    ),
];

const KUBE_SCORE: &[Waiver] = &[
    (
        "Deployment container-resources",
        "both",
        "no limit for CPU: a leader that is throttled may lose its Lease",
    ),
    (
        "Deployment container-image-pull-policy",
        "both",
        "a tag of a release does not move, and a digest cannot",
    ),
    (
        "Deployment container-ephemeral-storage-request-and-limit",
        "both",
        "the root is read-only and there is no volume: what is left is the log, whose size the \
         node decides",
    ),
    (
        "Deployment pod-networkpolicy",
        "defaults",
        "networkPolicy.enabled: where the API server is differs from cluster to cluster",
    ),
];

fn everything() -> Value {
    json!({
        "image": { "digest": format!("sha256:{}", "0".repeat(64)) },
        "watch": { "namespaces": ["team-a", "team-b"] },
        "aws": { "existingSecret": "aws" },
        "roles": { "aggregate": { "reader": true, "keyPairEditor": true,
            "hostKeyResetter": true } },
        "serviceMonitor": { "enabled": true },
        "prometheusRule": { "enabled": true },
        "dashboard": { "enabled": true },
        "networkPolicy": { "enabled": true },
    })
}

fn check(waivers: &[Waiver], findings: impl Fn(&Path) -> BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, values) in [("defaults", Value::Null), ("everything", everything())] {
        let file = folder.path().join(format!("{name}.yaml"));
        let documents: Vec<String> =
            render(&values).iter().map(|it| serde_yaml_ng::to_string(it).unwrap()).collect();
        std::fs::write(&file, documents.join("---\n")).unwrap();
        let waived = waivers.iter().filter(|(_, of, _)| *of == "both" || *of == name);
        let waived: BTreeSet<String> = waived.map(|(finding, ..)| (*finding).to_owned()).collect();
        assert_eq!(findings(&file), waived, "found, and waived, with {name}");
    }
}

#[test]
fn checkov_finds_nothing_that_has_no_reason() {
    // With versions of boto3 and others of its own, so that it has an environment of its own.
    let checkov: PathBuf = root().join(".venv-checkov/bin/checkov");
    check(CHECKOV, |file| {
        let arguments = [
            "--framework",
            "kubernetes",
            "--skip-download",
            "--soft-fail",
            "--output",
            "json",
            "--file",
        ];
        let output = Command::new(&checkov)
            .args(arguments)
            .arg(file)
            .output()
            .expect("checkov; run `make .venv-checkov`");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["summary"]["passed"].as_u64().unwrap() > 100, "{}", report["summary"]);
        let failed = report["results"]["failed_checks"].as_array().unwrap();
        failed.iter().map(|it| it["check_id"].as_str().unwrap().to_owned()).collect()
    });
}

#[test]
fn kube_score_finds_nothing_that_has_no_reason() {
    check(KUBE_SCORE, |file| {
        let output = Command::new(tools().join("kube-score"))
            .args(["score", "--output-format", "json"])
            .arg(file)
            .output();
        let report: Value =
            serde_json::from_slice(&output.expect("kube-score; run `make tools`").stdout).unwrap();
        let mut findings = BTreeSet::new();
        for object in report.as_array().unwrap() {
            for check in object["checks"].as_array().unwrap() {
                // 10 is fine, 7 nearly, 1 critical.
                if check["skipped"] != true && check["grade"].as_u64().unwrap() < 10 {
                    findings.insert(format!(
                        "{} {}",
                        object["type_meta"]["kind"].as_str().unwrap(),
                        check["check"]["id"].as_str().unwrap()
                    ));
                }
            }
        }
        findings
    });
}
