//! Scenarios: what users and others do, step by step, and what each object comes to. They are data,
//! in `testbed/scenarios.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// What is done with the operator running, and how it ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Scenario {
    /// Its name, for the command line and the table.
    pub(super) name: String,
    /// What is there before. Nothing disturbs that.
    #[serde(default)]
    pub(super) given: Vec<Act>,
    /// What is done then. Each request that the operator sends from here on is a point.
    pub(super) when: Vec<Act>,
    /// By object, as in `LightsailKeyPair/fleet`: the reason of its condition Ready at the end, or
    /// `gone`. The first is that of the undisturbed run; any other one may be the end of a
    /// disturbed run too.
    pub(super) ends: BTreeMap<String, Vec<String>>,
    /// Whether the owner tag may stay on a pair that is released: it is taken off by one attempt.
    #[serde(default)]
    pub(super) tag_may_stay: bool,
    /// Whether a private key that was written to a Secret goes away, because somebody deletes it.
    #[serde(default)]
    pub(super) loses_keys: bool,
}

/// One thing that a user, or somebody else, does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum Act {
    /// A user creates an object.
    Create {
        object: String,
        spec: Value,
        #[serde(default)]
        metadata: Value,
    },
    /// A user changes an object by a merge patch.
    Patch { object: String, change: Value },
    /// A user deletes an object, or a Secret.
    Delete(String),
    /// A user asks for a reconciliation now.
    Reconcile(String),
    /// A user creates a Secret.
    Secret { name: String, data: BTreeMap<String, String> },
    /// A user changes the data of a Secret.
    PatchSecret { name: String, data: BTreeMap<String, String> },
    /// Somebody else imports a key pair.
    Import {
        name: String,
        key: String,
        #[serde(default)]
        tags: BTreeMap<String, String>,
    },
    /// Somebody else sets all tags of a key pair.
    Tag { name: String, tags: BTreeMap<String, String> },
    /// Somebody else deletes a key pair, the default one too.
    DeletePair(String),
    /// Somebody else has the default key pair created.
    CreateDefaultPair,
    /// Somebody else launches an instance.
    Launch(String),
    /// Switches of the simulator, by name.
    Switches(Value),
    /// Wait until each object is Ready, Stalled, over or gone.
    Settle,
    /// Wait until an object shows a reason, or is gone.
    Await { object: String, reason: String },
}

/// Reads the scenarios of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Scenario>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    // By way of JSON, in which an act is a member and not a YAML tag.
    let read = || {
        let value: Value = serde_yaml_ng::from_str(&text)?;
        anyhow::Ok(serde_json::from_value::<Vec<Scenario>>(value)?)
    };
    let scenarios = read().with_context(|| format!("read {}", path.display()))?;
    for (index, scenario) in scenarios.iter().enumerate() {
        let is_double = scenarios[..index].iter().any(|other| other.name == scenario.name);
        ensure!(!is_double, "two scenarios have the name {}", scenario.name);
        let has_end = scenario.ends.values().all(|ends| !ends.is_empty());
        ensure!(has_end, "{}: each object has at least one end", scenario.name);
    }
    Ok(scenarios)
}

/// Those with these names, or all.
pub(super) fn choose(scenarios: Vec<Scenario>, names: &[String]) -> Result<Vec<Scenario>> {
    for name in names {
        if !scenarios.iter().any(|scenario| scenario.name == *name) {
            let all: Vec<_> = scenarios.iter().map(|it| it.name.as_str()).collect();
            bail!("there is no scenario {name}; there are {}", all.join(", "));
        }
    }
    let is_chosen = |scenario: &Scenario| names.is_empty() || names.contains(&scenario.name);
    Ok(scenarios.into_iter().filter(is_chosen).collect())
}
