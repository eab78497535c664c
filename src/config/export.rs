//! The flags of `lightsail-operator export`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::names::{namespace, object_name, region};

/// What the program does instead of running the operator.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Write manifests for the key pairs that exist in Lightsail.
    ///
    /// Lightsail lists only fingerprints, so name the files or Secrets that hold your keys: the
    /// command compares them with each key pair. It changes nothing in AWS or the cluster.
    /// Manifests go to standard output, progress and errors to standard error. The exit code is 1
    /// if anything cannot be read.
    #[command(after_long_help = EXAMPLES, override_usage = USAGE)]
    Export(Export),
}

/// The flags of `export`.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("regions").required(true).args(["region", "all_regions"])))]
pub struct Export {
    /// Read this AWS region, for example eu-west-1; may be repeated.
    #[arg(long, display_order = 0, value_delimiter = ',', value_parser = region,
        value_name = "REGION")]
    pub region: Vec<String>,

    /// Read all regions of Lightsail.
    #[arg(long, display_order = 0, conflicts_with = "region")]
    pub all_regions: bool,

    /// Match key pairs with the keys in this file or folder, for example ~/.ssh; may be repeated.
    /// The command reads public and private keys, `authorized_keys`, and a Terraform state or plan
    /// in JSON. In a folder, it skips symlinks, pipes, sockets, devices, and files over 1 MiB; to
    /// name one of these is an error.
    #[arg(long, display_order = 0, value_name = "PATH")]
    pub keys: Vec<PathBuf>,

    /// Match key pairs with the keys in the Secrets of this namespace, for example team-a; may be
    /// repeated. The command reads them with the permissions of your kubeconfig.
    #[arg(long, display_order = 0, value_delimiter = ',', value_parser = namespace,
        value_name = "NAMESPACE")]
    pub from_secrets: Vec<String>,

    /// Check, with the permissions of your kubeconfig, which owners in owner tags no longer exist.
    #[arg(long, display_order = 0)]
    pub check_owners: bool,

    /// The namespace of the manifests.
    #[arg(long, display_order = 0, default_value = "default", value_parser = namespace,
        value_name = "NAMESPACE")]
    pub namespace: String,

    /// The `LightsailAccount` in the manifests' accountRef, for example prod. Default: none.
    #[arg(long, display_order = 0, value_parser = object_name, value_name = "NAME")]
    pub account_ref: Option<String>,

    /// Also write manifests for the regions' default key pairs, with `suspend: true`.
    #[arg(long, display_order = 0)]
    pub default_key_pairs: bool,

    /// The output format.
    #[arg(long, display_order = 0, short, default_value = "yaml", value_name = "FORMAT")]
    pub output: Output,
}

/// What `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Manifests to apply.
    Yaml,
    /// A human-readable table.
    Table,
    /// Every detail, for scripts.
    Json,
}

/// As clap would write it, but for the flags that an environment variable has set: it would put
/// them first.
const USAGE: &str = "lightsail-operator export [OPTIONS] <--region <REGION>|--all-regions>";

const EXAMPLES: &str = "\
Examples:
  Show the key pairs of two regions, and where their keys are:
    lightsail-operator export --region eu-west-1 --region us-east-1 --keys ~/.ssh --output table

  Write manifests for everything that Terraform manages, and apply them:
    lightsail-operator export --all-regions --keys terraform.tfstate --namespace team-a > pairs.yaml
    kubectl apply -f pairs.yaml

  Refer to private keys that are in Secrets of the namespace:
    lightsail-operator export --all-regions --from-secrets team-a --namespace team-a";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;

    fn parse(flags: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["lightsail-operator"], flags].concat())
    }

    #[test]
    fn flags_that_cannot_be_meant_are_refused_with_the_exit_code_2() {
        for flags in [
            &["export"][..],
            &["export", "--region", "eu-west-1", "--all-regions"],
            &["export", "--region", "eu-west-1a"],
            &["export", "--all-regions", "--namespace", "Team"],
            &["export", "--all-regions", "--account-ref", "a b"],
            &["export", "--all-regions", "--output", "xml"],
            &["export", "--all-regions", "--aws-account-id", "1"],
            &["import"],
        ] {
            assert_eq!(parse(flags).unwrap_err().exit_code(), 2, "{flags:?}");
        }
    }

    #[test]
    fn a_flag_that_is_set_elsewhere_is_not_part_of_the_usage() {
        let bundle = ["--aws-ca-bundle", "ca.pem"];
        for (command, usage) in [
            (&["export"][..], "Usage: lightsail-operator export [OPTIONS] <--region"),
            (&[], "Usage: lightsail-operator [OPTIONS]"),
        ] {
            let said = parse(&[&bundle, command, &["--wrong"]].concat()).unwrap_err().to_string();
            assert!(said.contains(usage), "{said}");
        }
    }

    #[test]
    fn flags_for_aws_are_those_of_the_operator_on_either_side_of_the_word() {
        let account = ["--aws-account-id", "123456789012"];
        for flags in [
            [&["export", "--all-regions"], &account[..]].concat(),
            [&account[..], &["export", "--all-regions"]].concat(),
        ] {
            let config = parse(&flags).unwrap();
            assert_eq!(config.aws_account_id.as_deref(), Some("123456789012"), "{flags:?}");
            assert!(matches!(config.command, Some(Command::Export(_))), "{flags:?}");
        }
        assert!(parse(&[]).unwrap().command.is_none());
    }
}
