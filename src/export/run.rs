//! The run of an export: reads the keys, then the cluster if that is asked for, then Lightsail, and
//! writes what came of it.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Context;

use super::cluster::Cluster;
use super::exported::{Finding, Findings, RegionRead};
use super::keys::Keys;
use super::manifest::{Target, manifests};
use super::matching::match_all;
use super::read::Reader;
use super::report::{Report, count};
use super::sources::add_path;
use super::text::has_private_key;
use super::withheld::{LOOKS_PRIVATE, counts, withhold};
use super::{json, table};
use crate::config::{Config, Environment, Export, Output};
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
    let cluster = cluster(flags, &environment, &proxies, &report);
    if let Some(cluster) = &cluster {
        for namespace in flags.from_secrets.iter().collect::<BTreeSet<_>>() {
            cluster.add_secrets(namespace, *namespace == flags.namespace, &mut keys).await;
        }
    }
    report.note(&format!("found {}", count(keys.len(), "different key")));
    let reader = Reader::new(config, environment, proxies, &report).await?;
    let (regions, failed) = reader.read(flags).await;
    let default_pairs = if flags.default_key_pairs { 0 } else { default_pairs(&regions) };
    let mut pairs = match_all(regions, &keys, flags.default_key_pairs);
    if let Some(cluster) = cluster.filter(|_| flags.check_owners) {
        cluster.check_owners(config.cluster_id.as_deref(), &mut pairs).await;
    }
    let withheld = withhold(&mut pairs);
    let findings = Findings { pairs, failed, default_pairs, withheld };
    let text = written(&findings, flags);
    if has_private_key(&text) {
        anyhow::bail!("the output seems to contain a private key, so nothing was written");
    }
    summarize(&findings, flags, &report);
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        outcome => outcome.context("the output could not be written")?,
    }
    Ok(report.errors() == 0)
}

/// The cluster, if it is asked for.
fn cluster<'a>(
    flags: &Export,
    environment: &Environment,
    proxies: &Proxies,
    report: &'a Report,
) -> Option<Cluster<'a>> {
    if flags.from_secrets.is_empty() && !flags.check_owners {
        return None;
    }
    let cluster = Cluster::new(environment, proxies, report);
    cluster.map_err(|why| report.error(&format!("the cluster cannot be read: {why:#}"))).ok()
}

fn default_pairs(regions: &[RegionRead]) -> usize {
    let pairs = regions.iter().flat_map(|region| &region.pairs);
    pairs.filter(|pair| pair.name.is_default()).count()
}

fn written(findings: &Findings, flags: &Export) -> String {
    let (namespace, account_ref) = (flags.namespace.as_str(), flags.account_ref.as_deref());
    match flags.output {
        Output::Yaml => manifests(findings, &Target { namespace, account_ref }),
        Output::Table => table::table(&findings.pairs),
        Output::Json => json::document(findings),
    }
}

/// Says what is left out, and what an apply does beside the owner tags.
fn summarize(findings: &Findings, flags: &Export, report: &Report) {
    let Findings { pairs: all, default_pairs, withheld, failed: _ } = findings;
    if *default_pairs > 0 {
        let left_out = count(*default_pairs, "default key pair");
        report.note(&format!("left out {left_out}; --default-key-pairs includes them"));
    }
    for (region, pairs) in counts(withheld) {
        report.note(&format!("{region}: left out {pairs}: {LOOKS_PRIVATE}"));
    }
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
            "if you apply this, the operator writes its label and annotations, the public key, and \
             the private key in the format of ssh-keygen, to these Secrets of the namespace {}: {}",
            flags.namespace,
            secrets.join(", ")
        ));
    }
    let unmatched = all.iter().filter(|it| matches!(it.finding, Finding::Unmatched(_))).count();
    let managed = all.iter().filter(|it| matches!(it.finding, Finding::Managed { .. })).count();
    report.note(&format!(
        "{}: {} matched, {managed} already managed, {unmatched} not matched",
        count(all.len(), "key pair"),
        all.len() - managed - unmatched
    ));
}
