//! What tests of the export start from.

use std::sync::Arc;

use parking_lot::Mutex;

use super::exported::{Exported, Failed, Finding, Findings};
use super::names::object_name;
use crate::ids::{Fingerprint, Region};
use crate::lightsail::KeyPair;

pub(super) const REGION: &str = "eu-west-1";

/// A key pair as Lightsail lists it.
pub(super) fn pair(name: &str, fingerprint: Option<&str>) -> KeyPair {
    KeyPair {
        name: name.into(),
        arn: "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/1".into(),
        created_at: Some("2026-01-01T00:00:00Z".to_owned()),
        support_code: None,
        fingerprint: fingerprint.map(Fingerprint::from),
        tags: crate::lightsail::Tags::default(),
    }
}

pub(super) fn exported(name: &str, finding: Finding) -> Exported {
    let region = Region::from(REGION);
    Exported {
        account: "123456789012".into(),
        object: object_name(&name.into(), &region),
        region,
        pair: pair(name, Some("1f:5f:96:39:59:6a:47:a2:f2:b7:b9:d4:28:8b:fd:13")),
        age: Some(3_600 * 50),
        instances: Some(vec!["web-1".to_owned()]),
        locations: Vec::new(),
        finding,
    }
}

pub(super) fn findings(pairs: Vec<Exported>, failed: Failed) -> Findings {
    Findings { pairs, failed, default_pairs: 0, withheld: Vec::new() }
}

/// What a report has said. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// What was said since this was last asked.
    pub(super) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap()
    }
}

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
