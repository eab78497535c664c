//! Writes kubeconfigs, readable by their owner alone. They hold everything, so that they can be
//! copied.
//!
//! They are JSON, which every reader of kubeconfigs takes as the YAML that it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::certificates::Identity;
use crate::private_file;

/// Writes a kubeconfig for a client with a certificate. `authority` is that of the server, in PEM.
pub(crate) fn write_for_certificate(
    path: &Path,
    server: &str,
    authority: &str,
    identity: &Identity,
) -> Result<()> {
    let cluster =
        json!({"server": server, "certificate-authority-data": STANDARD.encode(authority)});
    let user = json!({
        "client-certificate-data": STANDARD.encode(&identity.certificate),
        "client-key-data": STANDARD.encode(&identity.key),
    });
    write(path, &cluster, "default", &user)
}

/// Writes a kubeconfig with a token, for the cluster of another kubeconfig that was written here,
/// or for a server before that one, without TLS.
pub(crate) fn write_for_token(
    path: &Path,
    admin: &Path,
    server_override: Option<&str>,
    namespace: &str,
    token: &str,
) -> Result<()> {
    let text = fs::read_to_string(admin).with_context(|| format!("read {}", admin.display()))?;
    let admin: Value =
        serde_json::from_str(&text).with_context(|| format!("read {}", admin.display()))?;
    let own = admin["clusters"][0]["cluster"].clone();
    let cluster = server_override.map_or(own, |server| json!({"server": server}));
    write(path, &cluster, namespace, &json!({"token": token}))
}

fn write(path: &Path, cluster: &Value, namespace: &str, user: &Value) -> Result<()> {
    let name = "testbed";
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name,
            "namespace": namespace}}],
        "current-context": name,
    });
    private_file::write(path, &format!("{config:#}\n"))
        .with_context(|| format!("write {}", path.display()))
}
