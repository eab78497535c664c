//! How the programs of a control plane are called.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::certificates::Certificates;
use crate::process::bound_to_this_process;

/// All requests, without their bodies, once they are answered.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// TLS keeps this run's API server off another run's etcd, should that one have got the port.
pub(super) fn etcd(
    tools: &Path,
    directory: &Path,
    files: &Certificates,
    port: u16,
    peer_port: u16,
) -> Command {
    let mut command = bound_to_this_process(tools.join("etcd"));
    command
        .arg("--data-dir")
        .arg(directory.join("etcd"))
        .arg("--name=testbed")
        .arg(format!("--listen-client-urls=https://127.0.0.1:{port}"))
        .arg(format!("--advertise-client-urls=https://127.0.0.1:{port}"))
        .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"))
        .arg(format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}"))
        .arg(format!("--initial-cluster=testbed=http://127.0.0.1:{peer_port}"))
        .arg("--client-cert-auth")
        .arg("--trusted-ca-file")
        .arg(&files.authority_file)
        .arg("--cert-file")
        .arg(&files.server_file)
        .arg("--key-file")
        .arg(&files.server_key_file)
        // What it holds is worth nothing after a crash of the machine.
        .arg("--unsafe-no-fsync")
        // 8 GiB, for a hundred thousand objects. The API server compacts it every five minutes.
        .arg("--quota-backend-bytes=8589934592");
    command
}

pub(super) fn api_server(
    tools: &Path,
    at: &Path,
    files: &Certificates,
    etcd_port: u16,
    port: u16,
) -> Result<Command> {
    let policy = at.join("audit-policy.yaml");
    fs::write(&policy, AUDIT_POLICY).with_context(|| format!("write {}", policy.display()))?;
    let mut command = bound_to_this_process(tools.join("kube-apiserver"));
    command
        .arg(format!("--etcd-servers=https://127.0.0.1:{etcd_port}"))
        .arg("--etcd-cafile")
        .arg(&files.authority_file)
        .arg("--etcd-certfile")
        .arg(&files.server_file)
        .arg("--etcd-keyfile")
        .arg(&files.server_key_file)
        .arg(format!("--secure-port={port}"))
        .arg("--bind-address=127.0.0.1")
        .arg("--advertise-address=127.0.0.1")
        // Endpoints on loopback are refused; nothing here uses the Service "kubernetes".
        .arg("--endpoint-reconciler-type=none")
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg("--authorization-mode=RBAC")
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg("--client-ca-file")
        .arg(&files.authority_file)
        .arg("--tls-cert-file")
        .arg(&files.server_file)
        .arg("--tls-private-key-file")
        .arg(&files.server_key_file)
        .arg("--service-account-key-file")
        .arg(&files.service_account_public_file)
        .arg("--service-account-signing-key-file")
        .arg(&files.service_account_key_file)
        .arg("--audit-policy-file")
        .arg(&policy)
        .arg("--audit-log-path")
        .arg(at.join("audit.log"))
        // In MB. By default it begins another file after 100, and whoever counts lines misses some.
        .arg("--audit-log-maxsize=100000");
    Ok(command)
}

pub(super) fn controller_manager(tools: &Path, files: &Certificates, kubeconfig: &Path) -> Command {
    let mut command = bound_to_this_process(tools.join("kube-controller-manager"));
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .arg("--service-account-private-key-file")
        .arg(&files.service_account_key_file)
        .arg("--root-ca-file")
        .arg(&files.authority_file)
        // By default its first seconds go into waiting for its own turns, since each controller
        // makes itself a token.
        .args(["--kube-api-qps=500", "--kube-api-burst=500"])
        .args(["--use-service-account-credentials", "--leader-elect=false", "--secure-port=0"]);
    command
}
