//! Admin requests about one account in one region: what somebody else does there, and its own
//! switches.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::identity::Scope;
use super::super::resource::{NewInstance, Platform};
use super::super::shared::Shared;
use super::super::state::Site;
use super::super::tagging::replace_tags;
use super::super::{instances, key_pairs};
use super::control::changed;
use super::reply::{Refusal, Reply, done, read};

type Place = Path<(String, String)>;
type Named = Path<(String, String, String)>;

fn at<T>(
    shared: &Shared,
    (account, region): (String, String),
    act: impl FnOnce(&mut Site<'_>) -> T,
) -> T {
    act(&mut shared.state().site(&Scope { account, region }))
}

fn found(found: bool, what: &str) -> Reply {
    Reply(if found { Ok(done()) } else { Err(Refusal::not_found(what)) })
}

pub(super) async fn switches(State(shared): State<Arc<Shared>>, Path(place): Place) -> Reply {
    Reply(Ok(at(&shared, place, |site| json!(site.switches))))
}

pub(super) async fn change_switches(
    State(shared): State<Arc<Shared>>,
    Path(place): Place,
    body: Bytes,
) -> Reply {
    Reply(at(&shared, place, |site| {
        let own = changed(&site.switches, &body)?;
        let answer = json!(own);
        site.region.switches = Some(own);
        Ok(answer)
    }))
}

/// From here on the region has the switches of all.
pub(super) async fn remove_switches(
    State(shared): State<Arc<Shared>>,
    Path(place): Place,
) -> Reply {
    at(&shared, place, |site| site.region.switches = None);
    Reply(Ok(done()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Launch {
    name: String,
    #[serde(default)]
    windows: bool,
    key_pair_name: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, Option<String>>,
}

pub(super) async fn launch(
    State(shared): State<Arc<Shared>>,
    Path(place): Place,
    body: Bytes,
) -> Reply {
    Reply(read::<Launch>(&body).and_then(|launch| {
        let platform = if launch.windows { Platform::Windows } else { Platform::Linux };
        let Launch { name, key_pair_name, tags, .. } = launch;
        at(&shared, place, |site| {
            instances::add(site, NewInstance { name, platform, key_pair_name, tags })
        })?;
        Ok(done())
    }))
}

pub(super) async fn remove_instance(
    State(shared): State<Arc<Shared>>,
    Path((account, region, name)): Named,
) -> Reply {
    let removed =
        at(&shared, (account, region), |site| site.region.instances.remove(&name).is_some());
    found(removed, "such instance")
}

pub(super) async fn connect_browser(
    State(shared): State<Arc<Shared>>,
    Path((account, region, name)): Named,
) -> Reply {
    let connected = at(&shared, (account, region), |site| instances::connect_browser(site, &name));
    found(connected, "such instance")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Import {
    name: String,
    public_key: String,
}

/// As somebody else: no operation is recorded.
pub(super) async fn import_key_pair(
    State(shared): State<Arc<Shared>>,
    Path(place): Place,
    body: Bytes,
) -> Reply {
    Reply(read::<Import>(&body).and_then(|import| {
        at(&shared, place, |site| {
            let pair = key_pairs::import_as(site, &import.name, &import.public_key)?;
            Ok(pair.to_json(&site.switches))
        })
    }))
}

pub(super) async fn delete_key_pair(
    State(shared): State<Arc<Shared>>,
    Path((account, region, name)): Named,
) -> Reply {
    let deleted =
        at(&shared, (account, region), |site| site.region.key_pairs.remove(&name).is_some());
    found(deleted, "such key pair")
}

pub(super) async fn create_default_key_pair(
    State(shared): State<Arc<Shared>>,
    Path(place): Place,
) -> Reply {
    let pair: Value =
        at(&shared, place, |site| key_pairs::ensure_default(site).to_json(&site.switches));
    Reply(Ok(pair))
}

/// The body has all tags; `null` is the value of a key-only tag.
pub(super) async fn set_tags(
    State(shared): State<Arc<Shared>>,
    Path((account, region, name)): Named,
    body: Bytes,
) -> Reply {
    Reply(read(&body).and_then(|tags| {
        at(&shared, (account, region), |site| replace_tags(site, &name, tags))?;
        Ok(done())
    }))
}
