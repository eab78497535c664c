//! `testbed check-rights`: compares what the chart grants the operator with what the operator asked
//! for in a run, by the audit log.
//!
//! Everything that is granted was used, and nothing was refused. The rights are those of the
//! bindings that carry the chart's label; whatever a test was granted beside them does not count.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;
use testbed::cluster::Cluster;

use super::report::Report;

const NAME: &str = "lightsail-operator";
const USER: &str = "system:serviceaccount:lightsail-operator:lightsail-operator";
const LABEL: &str = "app.kubernetes.io/instance=lightsail-operator";

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The audit log of the run
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
}

/// How often each right was used: by resource, as in `secrets` or
/// `hostkeyresets.lightsail-operator.dev/status`, and verb.
type Rights = BTreeMap<String, BTreeMap<String, usize>>;

pub(super) async fn check_rights(settings: &Settings) -> Result<ExitCode> {
    let cluster = Cluster::from_env().await?;
    let (mut rights, roles) = granted(&cluster).await?;
    ensure!(!rights.is_empty(), "the chart grants nothing to {USER}: nothing to compare");
    let log = settings.audit_log.clone().unwrap_or_else(|| cluster.audit_log());
    let log = std::fs::read_to_string(&log).with_context(|| format!("read {}", log.display()))?;
    let refused = count(&log, &roles, &mut rights);

    let report = Report::on_stdout();
    report.line(
        "check-rights: the permissions that the chart grants the operator, and how often the \
         tests used them",
    );
    for (resource, verbs) in &rights {
        let mut line = format!("  {resource:<48}");
        for (verb, count) in verbs {
            let _ = write!(line, " {verb} {count}");
        }
        report.line(&line);
    }
    let unused: Vec<String> = rights
        .iter()
        .flat_map(|(resource, verbs)| {
            verbs.iter().map(move |(verb, count)| (resource, verb, count))
        })
        .filter(|(_, _, count)| **count == 0)
        .map(|(resource, verb, _)| format!("{verb} {resource}"))
        .collect();
    ensure!(unused.is_empty(), "granted and never used: {}", unused.join(", "));
    ensure!(refused.is_empty(), "refused: {}", refused.join(", "));
    report.line("  nothing was refused");
    Ok(ExitCode::SUCCESS)
}

/// What the chart's bindings give the operator, not used yet, and how the API server names their
/// roles in its reasons.
async fn granted(cluster: &Cluster) -> Result<(Rights, Vec<String>)> {
    let ours = ListParams::default().labels(LABEL);
    let (mut rights, mut roles) = (Rights::new(), Vec::new());
    let mut take = |kind: &str, name: &str, rules: Option<Vec<PolicyRule>>| {
        roles.push(format!("of {kind} \"{name}\" to"));
        for rule in rules.unwrap_or_default() {
            for (resource, verb) in pairs(&rule) {
                rights.entry(resource).or_default().insert(verb, 0);
            }
        }
    };
    let bindings: Api<ClusterRoleBinding> = Api::all(cluster.client());
    for binding in bindings.list(&ours).await.context("list ClusterRoleBindings")? {
        let name = &binding.role_ref.name;
        let role = Api::<ClusterRole>::all(cluster.client()).get(name).await;
        take(
            "ClusterRole",
            name,
            role.with_context(|| format!("read the ClusterRole {name}"))?.rules,
        );
    }
    let bindings: Api<RoleBinding> = Api::namespaced(cluster.client(), NAME);
    for binding in bindings.list(&ours).await.context("list RoleBindings")? {
        let name = &binding.role_ref.name;
        let role =
            Api::<Role>::namespaced(cluster.client(), &binding.namespace().unwrap_or_default())
                .get(name)
                .await;
        take("Role", name, role.with_context(|| format!("read the Role {name}"))?.rules);
    }
    Ok((rights, roles))
}

/// The resources and verbs of a rule.
fn pairs(rule: &PolicyRule) -> Vec<(String, String)> {
    let (groups, resources) = (rule.api_groups.iter().flatten(), rule.resources.iter().flatten());
    let of_groups = groups.flat_map(|group| {
        resources.clone().map(move |resource| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            full_name(group, resource, subresource)
        })
    });
    of_groups
        .flat_map(|resource| rule.verbs.iter().map(move |verb| (resource.clone(), verb.clone())))
        .collect()
}

fn full_name(group: &str, resource: &str, subresource: &str) -> String {
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let subresource =
        if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
    format!("{resource}{group}{subresource}")
}

/// Counts what was used of these rights, and returns what was refused.
fn count(log: &str, roles: &[String], rights: &mut Rights) -> Vec<String> {
    let mut refused = Vec::new();
    for line in log.lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        // A watch is told of when it begins and when it ends, which may be later than this.
        let begins = if entry["verb"] == "watch" { "ResponseStarted" } else { "ResponseComplete" };
        if entry["user"]["username"] != USER
            || (entry["stage"] != begins
                && entry["annotations"]["authorization.k8s.io/decision"] != "forbid")
        {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let at = &entry["objectRef"];
        let resource =
            full_name(&text(&at["apiGroup"]), &text(&at["resource"]), &text(&at["subresource"]));
        let verb = text(&entry["verb"]);
        let reason = text(&entry["annotations"]["authorization.k8s.io/reason"]);
        if entry["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            refused.push(format!(
                "{verb} {resource} {}/{}",
                text(&at["namespace"]),
                text(&at["name"])
            ));
        } else if roles.iter().any(|role| reason.contains(role))
            && let Some(count) = rights.get_mut(&resource).and_then(|verbs| verbs.get_mut(&verb))
        {
            *count += 1;
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(verb: &str, resource: &str, decision: &str, role: &str) -> String {
        let reason = format!(
            "RBAC: allowed by ClusterRoleBinding \"x\" of ClusterRole \"{role}\" to \
                ServiceAccount \"x/x\""
        );
        let annotations = json!({ "authorization.k8s.io/decision": decision,
            "authorization.k8s.io/reason": reason });
        let entry = json!({
            "user": { "username": USER }, "stage": "ResponseComplete", "verb": verb,
            "objectRef": { "resource": resource, "namespace": "a", "name": "b" },
                "annotations": annotations,
        });
        format!("{entry}\n")
    }

    #[test]
    fn only_what_the_charts_roles_allow_counts_and_a_refusal_is_seen() {
        let rule = PolicyRule {
            api_groups: Some(vec![String::new()]),
            resources: Some(vec!["secrets".to_owned()]),
            verbs: vec!["get".to_owned(), "create".to_owned()],
            ..PolicyRule::default()
        };
        let mut rights = Rights::new();
        for (resource, verb) in pairs(&rule) {
            rights.entry(resource).or_default().insert(verb, 0);
        }
        let log = [
            entry("get", "secrets", "allow", "ours"),
            entry("create", "secrets", "allow", "another"),
            entry("list", "secrets", "forbid", ""),
            "no JSON\n".to_owned(),
        ];
        let refused = count(&log.concat(), &["of ClusterRole \"ours\" to".to_owned()], &mut rights);
        assert_eq!(refused, ["list secrets a/b"]);
        assert_eq!(rights["secrets"], [("create".to_owned(), 0), ("get".to_owned(), 1)].into());
    }
}
