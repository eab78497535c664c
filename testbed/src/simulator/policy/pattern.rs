//! Patterns of policies: `*` is any text and `?` any character, where the policy itself has them.

/// A pattern. What a policy variable stands for is literal in it.
#[derive(Debug, Default)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    AnyText,
    AnyCharacter,
    Literal(char),
}

impl Pattern {
    /// Adds what stands in the policy.
    pub(super) fn written(mut self, text: &str) -> Self {
        self.0.extend(text.chars().map(|character| match character {
            '*' => Piece::AnyText,
            '?' => Piece::AnyCharacter,
            _ => Piece::Literal(character),
        }));
        self
    }

    /// Adds a text in which `*` and `?` are themselves.
    pub(super) fn literal(mut self, text: &str) -> Self {
        self.0.extend(text.chars().map(Piece::Literal));
        self
    }

    /// Whether it fits every text.
    pub(super) fn fits_all(&self) -> bool {
        self.0.iter().all(|piece| *piece == Piece::AnyText)
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        let (pattern, text): (_, Vec<char>) = (&self.0, text.chars().collect());
        let (mut at, mut of) = (0, 0);
        // Where to go on when the last `*` has to take one character more.
        let mut retry = None;
        while of < text.len() {
            match pattern.get(at) {
                Some(Piece::AnyText) => {
                    retry = Some((at, of));
                    at += 1;
                    continue;
                }
                Some(Piece::AnyCharacter) => {
                    at += 1;
                    of += 1;
                    continue;
                }
                Some(Piece::Literal(wanted)) if *wanted == text[of] => {
                    at += 1;
                    of += 1;
                    continue;
                }
                Some(Piece::Literal(_)) | None => {}
            }
            let Some((star, taken)) = retry else { return false };
            retry = Some((star, taken + 1));
            at = star + 1;
            of = taken + 1;
        }
        pattern[at..].iter().all(|rest| *rest == Piece::AnyText)
    }
}
