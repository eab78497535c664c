//! The uid of an object.

use std::cmp::Ordering;
use std::fmt;

use uuid::Uuid;

use crate::digest::Digest;

/// The uid of an object, in little memory: Kubernetes makes each a UUID. Any other text is kept as
/// it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uid(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// The bytes of a UUID that was written as Kubernetes writes them.
    Uuid([u8; 16]),
    Text(Box<str>),
}

impl Uid {
    /// The digest of the text.
    pub(super) fn digest(&self) -> Digest<Self> {
        match &self.0 {
            Form::Uuid(bytes) => {
                let mut text = Uuid::encode_buffer();
                Digest::of(&*Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut text))
            }
            Form::Text(text) => Digest::of(text),
        }
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        // There are other ways to write the same UUID, which are other texts.
        let uuid = Uuid::try_parse(text).ok().filter(|uuid| uuid.to_string() == text);
        Self(uuid.map_or_else(|| Form::Text(text.into()), |uuid| Form::Uuid(uuid.into_bytes())))
    }
}

impl From<String> for Uid {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Uuid(bytes) => Uuid::from_bytes(*bytes).fmt(formatter),
            Form::Text(text) => formatter.write_str(text),
        }
    }
}

impl PartialEq<str> for Uid {
    fn eq(&self, other: &str) -> bool {
        let other = Self::from(other);
        *self == other
    }
}

impl PartialOrd for Uid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As the texts.
impl Ord for Uid {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Uuid(own), Form::Uuid(other)) => own.cmp(other),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_out_as_it_went_in() {
        let uuid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        let texts = [uuid, "1b4e28ba2fa111d2883f0016d3cca427", "", "u", &uuid.to_uppercase()];
        for text in texts {
            let parsed = Uid::from(text);
            assert_eq!(parsed.to_string(), text);
            for other in texts {
                assert_eq!(parsed == *other, text == other, "{text} {other}");
                assert_eq!(parsed.cmp(&Uid::from(other)), text.cmp(other), "{text} {other}");
            }
        }
        assert!(matches!(Uid::from(uuid).0, Form::Uuid(_)));
    }
}
