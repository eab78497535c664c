//! The whole state in JSON, for a person or a test to read. Private keys, passwords and secrets
//! are not in it.

use serde_json::{Value, json};

use super::clock::epoch_seconds;
use super::fault::FaultHandle;
use super::identity::{Account, Scope};
use super::ledger::Operation;
use super::shared::Shared;
use super::state::{RegionState, State};
use super::switches::Switches;

pub(super) fn dump(shared: &Shared) -> Value {
    let state = shared.state();
    let accounts =
        state.identities.accounts.iter().map(|(id, account)| (id.clone(), account_json(account)));
    let mut regions: Vec<_> = state.regions().collect();
    regions.sort_by_key(|(scope, _)| *scope);
    json!({
        "clock": {"now": epoch_seconds(shared.clock.now()),
            "offsetMillis": shared.clock.offset_millis()},
        "switches": state.switches,
        "accounts": accounts.collect::<serde_json::Map<_, _>>(),
        "regions": regions.iter().map(|(scope, region)| region_json(&state, scope,
            region)).collect::<Vec<_>>(),
    })
}

fn account_json(account: &Account) -> Value {
    let roles = account.roles.values().map(|known| {
        json!({
            "name": known.role.name,
            "needsExternalId": known.role.external_id.is_some(),
            "sessionTags": known.role.session_tags,
            "hasTrustPolicy": known.role.trust_policy.is_some(),
            "webIdentitySubject": known.role.web_identity.as_ref().map(|trusted| &trusted.subject),
            "hasPolicy": known.policy.is_some(),
        })
    });
    json!({"hasPolicy": account.policy.is_some(), "roles": roles.collect::<Vec<_>>()})
}

fn region_json(state: &State, scope: &Scope, region: &RegionState) -> Value {
    // What there is, whatever the API shows of it at the moment.
    let everything = Switches::default();
    let key_pairs = region.key_pairs.values().map(|stored| {
        let mut pair = stored.pair.to_json(&everything);
        pair["publicKey"] = json!(stored.pair.public_key);
        pair
    });
    let instances = region.instances.values().map(|instance| {
        let mut json = instance.to_json();
        json["knownHostKeysResets"] = json!(instance.known_host_keys_resets);
        json["hostKeysWitnessedAt"] = json!(instance.witnessed_at.map(epoch_seconds));
        json
    });
    json!({
        "account": scope.account,
        "region": scope.region,
        "ownSwitches": region.switches.is_some(),
        "switches": state.switches_of(Some(scope)),
        "keyPairs": key_pairs.collect::<Vec<_>>(),
        "instances": instances.collect::<Vec<_>>(),
        "operations": region.operations.all().map(|(_,
            it)| Operation::to_json(it)).collect::<Vec<_>>(),
    })
}

/// A fault with its id and how often it has struck.
pub(super) fn fault_json(id: usize, handle: &FaultHandle) -> Value {
    let (turns, point) = (handle.turns(), handle.turns().point());
    json!({
        "id": id,
        "operation": point.fault.operation,
        "resource": point.fault.resource,
        "effect": point.fault.effect,
        "probability": point.probability,
        "after": point.after,
        "account": turns.scope().map(|scope| &scope.account),
        "region": turns.scope().map(|scope| &scope.region),
        "hits": handle.hits(),
    })
}
