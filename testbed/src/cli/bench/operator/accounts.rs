//! Many accounts with a role and a namespace each, beside as many objects in as many namespaces
//! that use the operator's own credentials.

use std::time::Duration;

use anyhow::{Context, Result};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::run::Run;
use crate::cli::bench::bed::{Bed, SELDOM, poll};
use crate::cli::bench::figures::{Figure, real};
use crate::cli::bench::fleet::{At, create_namespace, create_until_ready, is_ready};
use crate::cli::bench::machine::memory;
use crate::cli::simulator::REGION;

/// How it went.
struct Outcome {
    time: Duration,
    /// In KiB.
    peak: u64,
    roles: u64,
    lists: u64,
}

/// Creates the objects with accounts and without, the latter before and after.
pub(super) async fn accounts(run: &Run<'_>) -> Result<()> {
    let (count, objects) = (run.settings.accounts, run.settings.objects);
    let before = measure(run, "without-accounts", false).await?;
    let with = measure(run, "with-accounts", true).await?;
    let after = measure(run, "without-accounts-again", false).await?;
    let size = count * objects;
    let rate = |time: Duration| Figure::new(real(size) / time.as_secs_f64(), "/s");
    let table = &run.table;
    let both = rate((before.time + after.time) / 2);
    table.compare("accounts: objects Ready a second", size, rate(with.time), both);
    let what = "accounts: the control run after it, and before it";
    table.compare(what, size, rate(after.time), rate(before.time));
    let (peak, own) = (Figure::memory(with.peak), Figure::memory(before.peak));
    table.compare("accounts: peak memory", size, peak, own);
    table.add("accounts: roles assumed, each for an hour", size, Figure::count(with.roles));
    table.add("accounts: pages of lists", size, Figure::count(with.lists));
    Ok(())
}

async fn measure(run: &Run<'_>, name: &str, has_accounts: bool) -> Result<Outcome> {
    let bed = run.bed(name).await?;
    let operator = bed.start_operator().await?;
    let mut fleet = Vec::new();
    for number in 0..run.settings.accounts {
        let namespace = format!("tenant-{number}");
        create_namespace(&bed.client, &namespace).await?;
        let account = has_accounts.then(|| namespace.clone());
        if let Some(account) = &account {
            create_account(&bed, account, number).await?;
        }
        fleet.extend((0..run.settings.objects).map(|object| At {
            namespace: namespace.clone(),
            name: format!("pair-{number:03}-{object:04}"),
            account: account.clone(),
            ..At::default()
        }));
    }
    if has_accounts {
        all_accounts_ready(&bed, run.settings.accounts).await?;
    }
    let time = create_until_ready(&bed.client, &fleet).await?.all;
    let (_, peak) = memory(operator.pid())?;
    let of = async |operation: &str| {
        bed.simulator.count(|name, outcome| name == operation && outcome == "ok").await
    };
    let (roles, lists) = (of("AssumeRole").await?, of("GetKeyPairs").await?);
    drop(operator);
    bed.end()?;
    Ok(Outcome { time, peak, roles, lists })
}

fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("lightsail-operator.dev", "v1alpha1", "LightsailAccount");
    ApiResource::from_gvk_with_plural(&kind, "lightsailaccounts")
}

async fn create_account(bed: &Bed, name: &str, number: usize) -> Result<()> {
    let id = format!("{:012}", 100_000_000_000 + number);
    let role = format!("/accounts/{id}/roles/lightsail");
    let _: Value =
        bed.simulator.admin("POST", &format!("/accounts/{id}/credentials"), None).await?;
    let trust = json!({ "sessionTags": true });
    let _: Value = bed.simulator.admin("PUT", &role, Some(trust)).await?;
    let spec = json!({
        "accountID": id,
        "assumeRoleChain": [{ "roleARN": format!("arn:aws:iam::{id}:role/lightsail") }],
        "sessionTags": "Namespace",
        "allowedNamespaces": { "from": "Names", "names": [name] },
        "allowed": { "regions": [REGION] },
    });
    let object = DynamicObject::new(name, &resource()).data(json!({ "spec": spec }));
    let api: Api<DynamicObject> = Api::all_with(bed.client.clone(), &resource());
    let created = api.create(&PostParams::default(), &object).await;
    created.map(drop).with_context(|| format!("create the account {name}"))
}

async fn all_accounts_ready(bed: &Bed, count: usize) -> Result<()> {
    let api: Api<DynamicObject> = Api::all_with(bed.client.clone(), &resource());
    poll(SELDOM, async || {
        let all = api.list(&kube::api::ListParams::default()).await?;
        Ok((all.iter().filter(|account| is_ready(account)).count() == count).then_some(()))
    })
    .await
}
