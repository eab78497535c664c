//! The option of every subcommand that starts a control plane.

use std::path::PathBuf;

use clap::Args;

/// Where the programs of the control plane are.
#[derive(Debug, Args)]
pub(super) struct Tools {
    /// The directory with kube-apiserver, kube-controller-manager, kubectl and etcd
    #[arg(long, env = "TESTBED_TOOLS", default_value = ".tools/bin")]
    pub(super) tools: PathBuf,
}
