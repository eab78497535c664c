//! Who is let in: the signature, the limits, and whether IAM allows what is asked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::authorize::authorize;
use super::error::{ApiError, Result};
use super::identity::{Principal, Scope};
use super::input::Input;
use super::operations::{Perform, needs_key};
use super::shared::Shared;
use super::signature::Received;
use super::state::State;
use super::sts::{Desk, needs_no_signature};
use super::switches::Setup;
use super::wire::{Ask, Protocol};

/// A request of somebody known, for an operation that exists.
pub(super) struct Admitted {
    pub(super) operation: String,
    pub(super) scope: Scope,
    /// Nobody for operations that need no signature.
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) input: Input,
    pub(super) latency: Duration,
    perform: Perform,
}

impl Admitted {
    /// Whether it is worth making a key pair before the operation runs.
    pub(super) fn needs_key(&self, shared: &Shared) -> bool {
        needs_key(&self.operation) && shared.state().spare_keys.len() < 2
    }

    /// Carries it out, if IAM allows it. The account's policies are those of this moment.
    pub(super) fn perform(&self, shared: &Shared) -> Result<Value> {
        let mut state = shared.state();
        match self.perform {
            Perform::Lightsail(perform) => {
                let principal = self.principal.as_deref().ok_or_else(ApiError::missing_token)?;
                let policy = state.identities.policies_of(principal);
                let mut site = state.site(&self.scope);
                authorize(&site, principal, policy.as_ref(), &self.operation, &self.input)?;
                perform(&mut site, &self.input)
            }
            Perform::Sts(perform) => {
                let now = state.clock.now();
                let caller = self.principal.as_deref();
                let switches = state.switches_of(Some(&self.scope));
                let inherited_tags_in_request = switches.inherited_tags_in_request;
                let mut desk = Desk {
                    identities: &mut state.identities,
                    caller,
                    region: &self.scope.region,
                    inherited_tags_in_request,
                    now,
                };
                perform(&mut desk, &self.input)
            }
        }
    }
}

/// Lets a request in, or refuses it; a refusal comes with the scope if it is known by then.
pub(super) fn admit(
    shared: &Shared,
    ask: Ask,
    received: &Received,
) -> std::result::Result<Admitted, Box<(Option<Scope>, ApiError)>> {
    let nowhere = |error| Box::new((None, error));
    let perform = ask.perform.map_err(nowhere)?;
    let (principal, scope) =
        if ask.protocol == Protocol::Query && needs_no_signature(&ask.operation) {
            (None, Scope { account: String::new(), region: String::new() })
        } else {
            let (principal, scope) = identify(shared, ask.protocol, received).map_err(nowhere)?;
            (Some(principal), scope)
        };
    let latency = match ask.protocol {
        Protocol::Json => pass_limits(&mut shared.state(), &scope),
        Protocol::Query => Ok(Duration::ZERO),
    };
    match (latency, ask.input) {
        (Ok(latency), Ok(input)) => {
            Ok(Admitted { operation: ask.operation, scope, principal, input, latency, perform })
        }
        (Err(error), _) | (_, Err(error)) => Err(Box::new((Some(scope), error))),
    }
}

/// Who has signed it.
fn identify(
    shared: &Shared,
    protocol: Protocol,
    received: &Received,
) -> Result<(Arc<Principal>, Scope)> {
    let claim = received.claim()?;
    let (key, scope, known_regions_only, now) = {
        let state = shared.state();
        let key = state
            .identities
            .key(claim.access_key_id)
            .ok_or_else(ApiError::unrecognized_client)?
            .clone();
        let scope =
            Scope { account: key.principal.account.clone(), region: claim.region.to_owned() };
        let only = protocol == Protocol::Json && state.switches_of(Some(&scope)).known_regions_only;
        (key, scope, only, state.clock.now())
    };
    claim.check_scope(protocol.service(), received.header("host"), known_regions_only)?;
    // Outside the lock: this is the greater part of the work for most requests.
    claim.check(received, &key, now)?;
    Ok((key.principal, scope))
}

/// The latency of requests there, unless there were too many or it is too early for any.
fn pass_limits(state: &mut State, scope: &Scope) -> Result<Duration> {
    let site = state.site(scope);
    if !site.region.bucket.take(&site.switches, site.now) {
        return Err(ApiError::throttled());
    }
    match site.switches.setup {
        Setup::Done => Ok(site.switches.latency),
        Setup::AccountInProgress => Err(ApiError::account_setup()),
        Setup::RegionInProgress => Err(ApiError::region_setup()),
    }
}
