//! What the API server says that it serves.

use crate::api::Reconciled;
use crate::api_server::ApiServer;

/// Whether the API server serves the kind; if not, there is no object of it. That a list is
/// answered with 404 does not show it: any proxy says "404 page not found", and so does an API
/// server that does not serve the kind for a moment. `None` if nobody knows.
pub(super) async fn is_served<K: Reconciled>(api_server: &ApiServer) -> Option<bool> {
    let (group, kind) = (K::group(&()), K::plural(&()));
    let client = api_server.client();
    let all = api_server.read(client.list_api_groups()).await.ok()?;
    if all.groups.is_empty() {
        return None;
    }
    let own = all.groups.iter().filter(|served| served.name == group);
    // There may be objects that only another version shows.
    for version in own.flat_map(|group| &group.versions) {
        let served = client.list_api_group_resources(&version.group_version);
        let served = api_server.read(served).await.ok()?;
        if served.resources.is_empty() {
            return None;
        }
        if served.resources.iter().any(|it| it.name == kind) {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::HostKeyReset;
    use crate::api_server::fake::Answers;
    use crate::lease::HeldLease;

    #[tokio::test]
    async fn only_what_the_api_server_lists_shows_that_a_kind_is_not_served() {
        let group = |name: &str, version: &str| {
            let version =
                json!({ "version": version, "groupVersion": format!("{name}/{version}") });
            json!({ "name": name, "versions": [version] })
        };
        let apps = || group("apps", "v1");
        let own = || group("lightsail-operator.dev", "v1alpha1");
        let groups = |groups: &[Value]| json!({ "kind": "APIGroupList", "groups": groups });
        let resources = |names: &[&str]| {
            let resource = |name: &&str| {
                json!({ "name": name, "kind": "K", "namespaced": true, "singularName": "",
                        "verbs": [] })
            };
            let all: Vec<_> = names.iter().map(resource).collect();
            json!({ "kind": "APIResourceList", "groupVersion": "lightsail-operator.dev/v1alpha1",
                    "resources": all })
        };
        let page = || json!("404 page not found");
        let both = || groups(&[apps(), own()]);
        let later = || groups(&[group("lightsail-operator.dev", "v9")]);
        for (name, first, second, expected) in [
            ("no CRD at all", groups(&[apps()]), page(), Some(false)),
            ("only in another version", later(), resources(&["hostkeyresets"]), Some(true)),
            ("not there either", later(), resources(&["lightsailkeypairs"]), Some(false)),
            ("another kind", both(), resources(&["lightsailkeypairs"]), Some(false)),
            ("this kind", both(), resources(&["lightsailkeypairs", "hostkeyresets"]), Some(true)),
            ("a proxy's page", page(), page(), None),
            ("an empty answer", json!({}), json!({}), None),
            ("an empty list", groups(&[]), page(), None),
            ("another page for its resources", both(), page(), None),
            ("no resources", both(), resources(&[]), None),
        ] {
            let server = Answers(move |request: &Request<Body>| {
                let answer = if request.uri().path() == "/apis" { &first } else { &second };
                let status = if answer.is_object() { 200 } else { 404 };
                let body = answer.to_string().into_bytes();
                Ok(Response::builder().status(status).body(body.into()).unwrap())
            });
            let client = Client::new(server, "default");
            let api_server = ApiServer::new(client, HeldLease::not_held(), Duration::ZERO);
            assert_eq!(is_served::<HostKeyReset>(&api_server).await, expected, "{name}");
        }
    }
}
