//! `kubectl explain` and `kubectl get` as a user's documentation.

use lightsail_operator::api::LightsailKeyPair;
use serde_json::Value;

use crate::bed::{Bed, imported, public_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_is_explained() {
    let bed = Bed::new("explain").await;
    let mut fields = 0;
    let kinds =
        [("lightsailkeypairs", "lskp"), ("hostkeyresets", "hkr"), ("lightsailaccounts", "lsa")];
    for (plural, short) in kinds {
        for part in ["spec", "status"] {
            let explained = bed
                .cluster
                .kubectl(&["explain", &format!("{short}.{part}")])
                .await
                .unwrap()
                .or_error()
                .unwrap();
            assert!(
                explained.contains("FIELDS:") && !explained.contains("<no description>"),
                "{explained}"
            );
        }
        let name = format!("{plural}.lightsail-operator.dev");
        let crd = bed
            .cluster
            .kubectl(&["get", "crd", &name, "-o", "json"])
            .await
            .unwrap()
            .or_error()
            .unwrap();
        let crd: Value = serde_json::from_str(&crd).unwrap();
        assert_eq!(crd["spec"]["names"]["shortNames"][0], short);
        // `kubectl get lightsail` is for tenants, who may not list accounts.
        let is_for_tenants = short != "lsa";
        let categories = &crd["spec"]["names"]["categories"];
        assert_eq!(categories[0] == "lightsail", is_for_tenants, "{plural}");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for part in ["spec", "status"] {
            fields += count_described(&schema[part], part);
        }
    }
    assert!(fields > 60, "{fields} fields");
}

/// How many fields there are below a schema; each must say what it is in a sentence.
fn count_described(schema: &Value, path: &str) -> usize {
    let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
    let Some(properties) = schema["properties"].as_object() else { return 0 };
    let described = |(name, field): (&String, &Value)| {
        let (path, text) =
            (format!("{path}.{name}"), field["description"].as_str().unwrap_or_default());
        assert!(text.len() > 15 && text.ends_with(['.', '`', ')']), "{path}: {text:?}");
        1 + count_described(field, &path)
    };
    properties.iter().map(described).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_columns_tell_what_matters() {
    let bed = Bed::new("columns").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let table = |arguments: &[&str]| {
        let arguments = [&["-n", &bed.namespace, "get"][..], arguments]
            .concat()
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>();
        let cluster = bed.cluster.clone();
        async move { cluster.kubectl(&arguments).await.unwrap().or_error().unwrap() }
    };
    let narrow = table(&["lightsail"]).await;
    let mut lines = narrow.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["NAME", "TYPE", "REGION", "KEY", "READY", "REASON", "AGE"]);
    assert_eq!(lines.next().unwrap()[1..6], ["Imported", "eu-west-1", "fleet", "True", "Imported"]);
    let wide = table(&["lskp", "-o", "wide"]).await;
    let header: Vec<&str> = wide.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header[6..], ["FINGERPRINT", "ACCOUNT", "AGE"]);
}
