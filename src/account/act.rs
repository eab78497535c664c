//! Does the steps of the plan, one at a time, and publishes the result. No decisions here.

use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::plan::{self, Step};
use super::status;
use super::world::Observed;
use crate::access::{Entry, Grant, selector};
use crate::api::Reconciled;
use crate::api::{ACCOUNT_FINALIZER, LightsailAccount};
use crate::api_server::ApiServer;
use crate::clock::Clocks;
use crate::engine::action::Next;
use crate::engine::objects::{self, has_finalizer};
use crate::engine::served::Served;
use crate::engine::verdict::seconds_to_ready;
use crate::engine::{Action, Context, MAX_STEPS, Verdict};
use crate::error::Error;
use crate::kube_error::listed;
use crate::lightsail;
use crate::page_limit::MANY;

/// How often to check that there are credentials: as often as a Secret with them is read. They are
/// cached, so this makes no call.
const INTERVAL: Duration = Duration::from_mins(5);

/// What Events say beside the reason. They are in the namespace `default`, where tenants may read
/// them, and conditions name roles and quote AWS.
const NOTE: &str = "the conditions of this LightsailAccount say more";

/// A running reconciliation.
pub(super) struct Run<'a> {
    ctx: &'a Context,
    clocks: Clocks,
    object: LightsailAccount,
    observed: Observed,
}

impl<'a> Run<'a> {
    /// Begins with the object as it was just read.
    pub(super) fn new(ctx: &'a Context, object: LightsailAccount) -> Self {
        let clocks = ctx.read_clocks();
        let selector = &object.spec.allowed_namespaces.selector;
        let observed = Observed {
            now: clocks.now(),
            is_primary: ctx.settings.is_primary,
            is_deleting: object.metadata.deletion_timestamp.is_some(),
            has_finalizer: has_finalizer(&object, ACCOUNT_FINALIZER),
            has_valid_selector: selector.as_ref().is_none_or(selector::is_valid),
            caller: None,
            users: None,
            interval: INTERVAL,
        };
        Self { ctx, clocks, object, observed }
    }

    /// Does what the plan says until it ends the reconciliation.
    pub(super) async fn reconcile(&mut self) -> Result<Action, Error> {
        for _ in 0..MAX_STEPS {
            self.observed.now = self.clocks.now();
            if let Some(action) = self.act(plan::plan(&self.observed)).await? {
                return Ok(action);
            }
            if self.ctx.stop.is_cancelled() {
                return Err(Error::Stopping);
            }
        }
        self.publish(&Verdict::too_many_steps()).await
    }

    async fn act(&mut self, step: Step) -> Result<Option<Action>, Error> {
        let api_server = &self.ctx.api_server;
        match step {
            Step::Identify => self.observed.caller = Some(self.identify().await?),
            Step::CountUsers => self.observed.users = Some(self.count_users().await?),
            Step::AddFinalizer => {
                self.object =
                    objects::add_finalizer(api_server, &self.object, ACCOUNT_FINALIZER).await?;
                self.observed.has_finalizer = true;
            }
            Step::RemoveFinalizer => {
                objects::remove_finalizer(api_server, &self.object, ACCOUNT_FINALIZER).await?;
                return Ok(Some(Action::gone()));
            }
            Step::Finish(verdict) => return self.publish(&verdict).await.map(Some),
            Step::Leave(outcome) => return Ok(Some(Action { next: Next::Change, outcome })),
        }
        Ok(None)
    }

    async fn identify(&self) -> Result<lightsail::Result<String>, Error> {
        let regions = &self.object.spec.allowed.regions;
        let grant = self.ctx.directory.grant("", Some(&self.object.name_any()));
        let metadata = &self.object.metadata;
        let is_this = |entry: &Entry| {
            Some(entry.generation) == metadata.generation
                && metadata.uid.as_ref() == Some(&entry.uid)
        };
        match grant {
            Grant::Account(entry) if is_this(&entry) => {
                let (sessions, is_asked) = (&self.ctx.sessions, objects::is_asked(&self.object));
                let account = sessions.identify(&entry.route, regions, is_asked).await;
                Ok(account.map(|account| account.caller_arn.clone()))
            }
            Grant::Account(_)
            | Grant::Operator
            | Grant::Required
            | Grant::Missing(_)
            | Grant::Unreadable(_) => Err(Error::Outdated),
        }
    }

    /// How many objects refer to the account and may have a pair, or a reset under way, in it.
    async fn count_users(&self) -> Result<usize, Error> {
        let account = &self.object.spec.account_id;
        let pairs = self.count(|pair| plan::may_have_pair(pair, account)).await?;
        Ok(pairs + self.count(|reset| plan::is_under_way(reset, account)).await?)
    }

    /// How many objects of a kind refer to the account and match.
    async fn count<K: Reconciled>(&self, is_such: impl Fn(&K) -> bool) -> Result<usize, Error> {
        let api_server = &self.ctx.api_server;
        let namespaces = &self.ctx.settings.namespaces;
        let all = [None];
        let own: Vec<Option<&str>> = namespaces.iter().map(|one| Some(one.as_str())).collect();
        let selected = format!("spec.accountRef.name={}", self.object.name_any());
        let account = Some(self.object.spec.account_id.as_str());
        let matches = |object: &Served<K>| match object {
            Served::Readable(object) => is_such(object),
            // Its status says whose account it has used.
            Served::Unreadable(object) => object.account_id().as_deref() == account,
        };
        let mut count = 0;
        for namespace in if own.is_empty() { &all[..] } else { &own } {
            let api = objects::api::<K>(api_server.client(), *namespace);
            count += count_in(api_server, &api, &selected, &matches).await?;
        }
        Ok(count)
    }

    /// Writes the status if it changed, and an Event if the reason did.
    pub(super) async fn publish(&mut self, verdict: &Verdict) -> Result<Action, Error> {
        let before = self.object.status.clone().unwrap_or_default();
        let status = status::status(&self.object, &self.observed, verdict);
        if status != before {
            objects::write_status(&self.ctx.api_server, &self.object, &status).await?;
        }
        if let Some(seconds) = seconds_to_ready(&self.object, verdict.state, self.clocks.now()) {
            self.ctx.metrics.became_ready("LightsailAccount", seconds);
        }
        if verdict.is_news(&before.conditions) {
            let (severity, reason) = (verdict.severity(), verdict.reason);
            objects::publish_event(self.ctx, &self.object, severity, reason, NOTE).await;
        }
        Ok(Action::shows(verdict.reason, verdict.next))
    }
}

/// How many of the selected objects match.
async fn count_in<K: Reconciled>(
    api_server: &ApiServer,
    api: &Api<Served<K>>,
    selected: &str,
    is_such: impl Fn(&Served<K>) -> bool,
) -> Result<usize, Error> {
    let mut count = 0;
    let mut page = ListParams::default().fields(selected).limit(MANY);
    loop {
        let list = api_server.read(async { listed(api.list(&page).await) }).await?;
        count += list.items.iter().filter(|object| is_such(object)).count();
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::json;
    use tower_layer::Layer;

    use super::*;
    use crate::api::LightsailKeyPair;
    use crate::api_server::fake::Answers;
    use crate::lease::HeldLease;
    use crate::page_limit::PageLimit;

    #[tokio::test]
    async fn large_objects_are_read_a_few_at_a_time() {
        // Two pages of objects, each of 256 KiB.
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&sizes);
        let server = Answers(move |request: &Request<Body>| {
            let query = request.uri().query().unwrap();
            let size = query.split("limit=").nth(1).unwrap().split('&').next().unwrap();
            let size: usize = size.parse().unwrap();
            asked.lock().push(size);
            let next = if query.contains("continue=second") { "" } else { "second" };
            let object = json!({ "metadata": { "labels": { "a": "x".repeat(256 * 1024) } } });
            let metadata = json!({ "resourceVersion": "1", "continue": next });
            let list = json!({ "metadata": metadata, "items": vec![object; size] });
            Ok(Response::new(list.to_string().into_bytes().into()))
        });
        let client = Client::new(PageLimit.layer(server), "default");
        let api = objects::api::<LightsailKeyPair>(&client, None);
        let api_server = ApiServer::new(client, HeldLease::not_held(), Duration::ZERO);
        let count = count_in(&api_server, &api, "spec.accountRef.name=a", |_| true).await;
        assert_eq!(count.unwrap(), 20, "all of them");
        assert_eq!(*sizes.lock(), [100, 10, 10], "as long as objects are large");
    }
}
