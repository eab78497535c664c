//! What the plan answers to a run, in the words of the model.

use super::*;

impl Plans {
    fn act(&self, step: &Step) -> Act {
        let is_deleted = |reason: &Reason| *reason == Reason::Deleted;
        match step {
            Step::Identify
            | Step::RecordTagKeys
            | Step::CountKeyPairs
            | Step::ReadFormerSecret(_)
            | Step::ReadOperation { .. } => unreachable!(
                "the account is known, there are no other tags and no limits, and all is done at \
                 once"
            ),
            Step::ReadPair { live } => Act::ReadPair { live: *live },
            Step::ReadDefaultPair => Act::ReadPair { live: true },
            Step::ReadSource(_) => Act::ReadSource,
            Step::ReadSecret(_) => Act::ReadSecret,
            Step::ReadCopy { .. } => Act::ReadCopy,
            Step::FindWindowsInstances => Act::FindWindowsInstances,
            Step::ReadNamespace => Act::ReadNamespace,
            Step::AddFinalizer => Act::AddFinalizer,
            Step::WriteIntent(key) => Act::WriteIntent(self.key_of(key)),
            Step::RecordAdoption => Act::RecordAdoption,
            Step::Generate(_) => Act::Generate,
            Step::Import(key) => Act::Import(self.key_of(key)),
            Step::TagByName { .. } => Act::TagByName,
            Step::Tag { .. } => Act::Tag,
            Step::RemoveTags { .. } => Act::RemoveTags,
            Step::Download => Act::Download,
            Step::SetAside { key, .. } => Act::SetAside(self.key_of(key.public())),
            Step::WriteSecret { key, spec, found, .. } => Act::WriteSecret {
                key: self.key_of(key.public()),
                owner: spec.delete_with_object
                    && found.as_ref().is_none_or(|found| found.was_created),
            },
            Step::DisownSecret(_) => Act::DisownSecret,
            Step::Delete { expected_fingerprint } => Act::Delete {
                expected: expected_fingerprint.as_ref()
                    .and_then(|listed| self.key_of_sha256(listed.as_str())),
            },
            Step::ReadForRelease { .. } => Act::ReadForRelease,
            Step::ReleaseTag { arn, .. } => {
                Act::ReleaseTag(arn.as_str()["arn:".len()..].parse().unwrap())
            }
            Step::RemoveFinalizer { reason, .. } => {
                Act::RemoveFinalizer { deleted: is_deleted(reason) }
            }
            Step::EndFollowUp { reason, .. } => Act::EndFollowUp { deleted: is_deleted(reason) },
            Step::Finish(verdict) => Act::Finish { state: verdict.state, reason: verdict.reason },
            Step::Pause { .. } => Act::Pause,
            Step::Leave => Act::Leave,
            Step::StartOver => unreachable!("no object has an account"),
        }
    }

    /// What the plan that ships says to this run. It is asked once for each that differs in what it
    /// sees.
    pub(in crate::key_pair::plan::tests::model) fn decide(
        &mut self,
        place: usize,
        run: &Run,
    ) -> Decision {
        let run = &Run { outdated: false, secret_outdated: false, ..*run };
        let hash = hash_of(&(place, run));
        if let Some(decision) = self.decisions.get(&hash) {
            return *decision;
        }
        let (desired, object) = (self.desired(place, run), self.object(run));
        let observed = self.observed(place, run, &object);
        let step = plan(&desired, &observed);
        let status = match &step {
            Step::Finish(verdict) => Some(status::status(&object, &desired, &observed, verdict)),
            Step::WriteIntent(key) => Some(status::intending(&object, &desired, &observed,
                key, Some(time(NOW)))),
            Step::RecordAdoption => Some(status::adopting(&object, &desired, &observed)),
            _ => None,
        };
        let forgetful = Run {
            sent: Sent::Open { accepted: false },
            named: false,
            deletion_open: false,
            download_open: false,
            predecessors: true,
            missing: if run.missing == Missing::No { Missing::No } else { Missing::Recent },
            ..*run
        };
        let without_memory = plan(&desired, &self.observed(place, &forgetful, &object));
        let decision = Decision {
            act: self.act(&step),
            record: status.map_or(run.object.record, |status| self.record(&status)),
            is_left_behind: is_left_behind(&desired, &observed, false),
            without_memory: self.act(&without_memory),
        };
        self.decisions.insert(hash, decision);
        decision
    }

    /// The last question to the plan as a row of its tables, with what it answered.
    pub(in crate::key_pair::plan::tests::model) fn row(&self, place: usize, run: &Run) -> String {
        let (desired, object) = (self.desired(place, run), self.object(run));
        let observed = self.observed(place, run, &object);
        let answer = word(&plan(&desired, &observed));
        super::super::row::row(&desired, &observed, &answer)
    }
}
