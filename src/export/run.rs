//! The run of an export: reads the keys, then the cluster if that is asked for, then Lightsail, and
//! writes what came of it.

use std::io::Write;

use super::cluster::Cluster;
use super::exported::{Exported, Finding};
use super::keys::Keys;
use super::manifest::{Target, manifests};
use super::matching::match_all;
use super::read::Reader;
use super::report::{Report, count};
use super::sources::add_path;
use super::text::has_private_key;
use super::{json, table};
use crate::config::{Config, Environment, Export, Output};
use crate::ids::Region;
use crate::proxies::Proxies;

/// Runs an export. Whether everything could be read.
///
/// # Errors
/// A setting cannot be used, or the output cannot be written.
pub async fn run(
    config: &Config,
    flags: &Export,
    environment: Environment,
    proxies: Proxies,
) -> anyhow::Result<bool> {
    let report = Report::new(std::io::stderr());
    let mut keys = Keys::default();
    for path in &flags.keys {
        add_path(path, &mut keys, &report);
    }
    let cluster = cluster(flags, &proxies, &report);
    if let Some(cluster) = &cluster {
        for namespace in &flags.from_secrets {
            cluster.add_secrets(namespace, *namespace == flags.namespace, &mut keys).await;
        }
    }
    report.note(&format!("found {}", count(keys.len(), "different key")));
    let reader = Reader::new(config, environment, proxies, &report).await?;
    let (regions, failed) = reader.read(flags).await;
    let mut all = match_all(regions, &keys, flags.default_key_pairs);
    if let Some(cluster) = cluster.filter(|_| flags.check_owners) {
        cluster.check_owners(config.cluster_id.as_deref(), &mut all).await;
    }
    let text = written(&all, &failed, flags);
    if has_private_key(&text) {
        anyhow::bail!("the output seems to have a private key in it, and nothing was written");
    }
    summarize(&all, flags, &report);
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        outcome => outcome?,
    }
    Ok(report.errors() == 0)
}

/// The cluster, if it is asked for.
fn cluster<'a>(flags: &Export, proxies: &Proxies, report: &'a Report) -> Option<Cluster<'a>> {
    if flags.from_secrets.is_empty() && !flags.check_owners {
        return None;
    }
    let cluster = Cluster::new(proxies, report);
    cluster.map_err(|why| report.error(&format!("no cluster is read: {why:#}"))).ok()
}

fn written(all: &[Exported], failed: &[Region], flags: &Export) -> String {
    let (namespace, account_ref) = (flags.namespace.as_str(), flags.account_ref.as_deref());
    match flags.output {
        Output::Yaml => manifests(all, failed, &Target { namespace, account_ref }),
        Output::Table => table::table(all),
        Output::Json => json::document(all, failed),
    }
}

/// Says what an apply does beside the owner tags.
fn summarize(all: &[Exported], flags: &Export, report: &Report) {
    let secrets = all.iter().filter_map(|exported| match &exported.finding {
        Finding::Generated { secret } => Some(secret.as_str()),
        Finding::Imported { .. }
        | Finding::Default
        | Finding::Managed { .. }
        | Finding::Unmatched(_) => None,
    });
    let secrets: Vec<&str> = secrets.collect();
    if flags.output == Output::Yaml && !secrets.is_empty() {
        report.note(&format!(
            "if you apply this, the operator writes its label and annotations, and the public key, \
             to these Secrets of the namespace {}: {}",
            flags.namespace,
            secrets.join(", ")
        ));
    }
    let unmatched = all.iter().filter(|it| matches!(it.finding, Finding::Unmatched(_))).count();
    let managed = all.iter().filter(|it| matches!(it.finding, Finding::Managed { .. })).count();
    report.note(&format!(
        "{}: {} matched, {managed} managed already, {unmatched} not matched",
        count(all.len(), "key pair"),
        all.len() - managed - unmatched
    ));
}
