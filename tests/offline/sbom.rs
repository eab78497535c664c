//! The SBOM: what is compiled into the operator, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_sbom_lists_what_the_operator_is_compiled_from() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sbom.json");
    let mut command = Command::new("python3");
    command
        .arg("testbed/python/sbom.py")
        .arg(&path)
        .env("SOURCE_DATE_EPOCH", "0")
        .current_dir(root);
    assert!(command.output().unwrap().status.success());
    let sbom: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let components = sbom["components"].as_array().unwrap();
    let listed: BTreeSet<String> = components.iter().map(purl).collect();
    assert_eq!(listed.len(), components.len(), "a package is listed twice");
    assert!(
        components.iter().all(|component| component["hashes"][0]["content"]
            .as_str()
            .unwrap()
            .len()
            == 64)
    );

    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "-e", "normal", "-p", "lightsail-operator", "--prefix", "none"])
        .current_dir(root);
    let tree = String::from_utf8(tree.output().unwrap().stdout).unwrap();
    let packages = tree.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let packages: BTreeSet<String> = packages
        .map(|words| format!("pkg:cargo/{}@{}", words[0], words[1].trim_start_matches('v')))
        .collect();
    assert!(packages.len() > 100);
    assert_eq!(listed, packages);

    // Each package hangs below the operator.
    let own = purl(&sbom["metadata"]["component"]);
    let mut reached = BTreeSet::from([own.clone()]);
    loop {
        let edges = sbom["dependencies"].as_array().unwrap().iter();
        let edges = edges.filter(|edge| reached.contains(edge["ref"].as_str().unwrap()));
        let next = edges.flat_map(|edge| edge["dependsOn"].as_array().unwrap());
        let next: BTreeSet<String> = next
            .map(|package| package.as_str().unwrap().to_owned())
            .chain(reached.clone())
            .collect();
        if next == reached {
            break;
        }
        reached = next;
    }
    assert!(reached.remove(&own));
    assert_eq!(reached, listed);

    // The binary itself tells of many packages, because panics name their source files: of none
    // that is not listed.
    let binary = std::env::var_os("IMAGE_BINARY")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_lightsail-operator").into());
    let binary = String::from_utf8_lossy(&std::fs::read(binary).unwrap()).into_owned();
    let folders: BTreeSet<&str> =
        binary.split("/src/").filter_map(|text| text.rsplit('/').next()).collect();
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let named = lock
        .split("[[package]]")
        .skip(1)
        .map(locked)
        .filter(|(folder, _)| folders.contains(folder.as_str()));
    let named: BTreeSet<String> = named.map(|(_, purl)| purl).collect();
    assert!(named.len() > 50, "{named:?}");
    assert_eq!(named.difference(&listed).collect::<Vec<_>>(), [""; 0]);
}

fn purl(component: &Value) -> String {
    component["purl"].as_str().unwrap().to_owned()
}

/// The folder of a package's sources and its purl, from its entry in `Cargo.lock`.
fn locked(entry: &str) -> (String, String) {
    let field = |name: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        line.unwrap().trim_matches('"').to_owned()
    };
    let (name, version) = (field("name"), field("version"));
    (format!("{name}-{version}"), format!("pkg:cargo/{name}@{version}"))
}
