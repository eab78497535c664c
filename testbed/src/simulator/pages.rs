//! Lists a page at a time, with opaque tokens.
//!
//! A token stands for the last key of its page, so that what is added or deleted meanwhile neither
//! repeats nor hides other entries. Only the entries of the page are turned into JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::input::Input;

/// The page that is asked for.
#[derive(Debug)]
pub(super) struct Page {
    list: &'static str,
    after: Option<String>,
    size: usize,
}

impl Page {
    /// `list` is told apart in tokens: one of another list is refused.
    pub(super) fn asked(list: &'static str, input: &Input, size: usize) -> Result<Self> {
        let token = input.text("pageToken")?.filter(|token| !token.is_empty());
        let after = token.map(|token| key_of(list, token)).transpose()?;
        Ok(Self { list, after, size: size.max(1) })
    }

    /// The last key of the page before; the entries begin behind it.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The answer, with a token if there is more. `entries` are those after [`after`](Self::after),
    /// in the order of their keys.
    pub(super) fn answer<T>(
        &self,
        member: &str,
        entries: impl Iterator<Item = (String, T)>,
        to_json: impl Fn(T) -> Value,
    ) -> Value {
        let mut entries = entries.peekable();
        let mut values = Vec::new();
        let mut last = None;
        for (key, entry) in entries.by_ref().take(self.size) {
            values.push(to_json(entry));
            last = Some(key);
        }
        let mut answer = json!({member: values});
        if let (Some(last), true) = (last, entries.peek().is_some()) {
            answer["nextPageToken"] = json!(STANDARD.encode(format!("{}\n{last}", self.list)));
        }
        answer
    }
}

fn key_of(list: &str, token: &str) -> Result<String> {
    let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.and_then(|text| text.strip_prefix(list)?.strip_prefix('\n').map(str::to_owned));
    key.ok_or_else(|| ApiError::invalid_input("The page token is not valid"))
}
