//! What became of a write that was not answered, or too late: the object tells.

use kube::ResourceExt;

use super::object_ref::ObjectRef;
use super::objects;
use super::served::Served;
use super::trigger::Trigger;
use crate::api::Reconciled;
use crate::api_server::ApiServer;
use crate::error::Error;
use crate::kube_error::was_not_written;

/// The object as it is now, if a write of it that failed is on record all the same, and nobody has
/// edited or deleted it since: then what follows from the write may follow, under the version that
/// is read here (I10).
///
/// # Errors
/// The failure, if it is not on record, or nobody knows.
pub(crate) async fn find_written<K: Reconciled>(
    api_server: &ApiServer,
    before: &K,
    failure: Error,
    is_written: impl FnOnce(&K) -> bool,
) -> Result<K, Error> {
    let may_be_written = matches!(&failure, Error::Kubernetes(error) if !was_not_written(error));
    if may_be_written
        && let Ok(Some(Served::Readable(object))) =
            objects::find::<K>(api_server, &ObjectRef::of(before)).await
        && object.uid() == before.uid()
        && Trigger::of(&object) == Trigger::of(before)
        && is_written(&object)
    {
        return Ok(object);
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use kube::core::Status;
    use serde_json::json;

    use super::*;
    use crate::api::HostKeyReset;
    use crate::api_server::fake::Answers;
    use crate::lease::HeldLease;

    #[tokio::test]
    async fn a_write_that_was_not_answered_counts_if_a_read_shows_it() {
        let silence = || kube::Error::Service("no response in time".into());
        let answer = |code| kube::Error::Api(Status::failure("no", "").with_code(code).boxed());
        let reset = |uid: &str, attempts: i32, generation: i64| {
            json!({
                "apiVersion": "lightsail-operator.dev/v1alpha1",
                "kind": "HostKeyReset",
                "metadata": { "name": "r", "namespace": "n", "uid": uid, "generation": generation },
                "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "why" },
                "status": { "observedGeneration": 1, "attempts": attempts },
            })
        };
        for (name, failure, uid, attempts, generation, expected) in [
            ("its response is late", silence(), "u", 1, 1, true),
            ("it may be on record after an error", answer(504), "u", 1, 1, true),
            ("it is not on record", silence(), "u", 0, 1, false),
            ("another object has its name", silence(), "other", 1, 1, false),
            ("somebody has edited it since", silence(), "u", 1, 2, false),
            ("it was refused", answer(403), "u", 1, 1, false),
            ("somebody else wrote it", answer(409), "u", 1, 1, false),
        ] {
            let read = reset(uid, attempts, generation).to_string().into_bytes();
            let answers = Answers(move |_: &Request<Body>| Ok(Response::new(read.clone().into())));
            let client = Client::new(answers, "default");
            let api_server = ApiServer::new(client, HeldLease::unlimited(), Duration::from_secs(1));
            let before: HostKeyReset = serde_json::from_value(reset("u", 0, 1)).unwrap();
            let is_written =
                |read: &HostKeyReset| read.status.as_ref().is_some_and(|it| it.attempts == 1);
            let found = find_written(&api_server, &before, failure.into(), is_written).await;
            assert_eq!(found.is_ok(), expected, "{name}");
        }
    }
}
