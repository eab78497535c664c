//! The walk over the pages of a list. The SDK has no paginator for `GetKeyPairs`.

use std::collections::HashSet;

use super::error::Error;
use super::types::Result;

/// No list is longer. A server that gives another token each time would be asked forever.
const MOST: usize = 10_000;

/// The pages that were seen, and the token of the next one.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) token: Option<String>,
    seen: HashSet<String>,
}

impl Pages {
    /// Whether there is another page; its token is then in `token`.
    pub(super) fn turn(&mut self, next: Option<String>) -> Result<bool> {
        let Some(next) = next.filter(|token| !token.is_empty()) else { return Ok(false) };
        if !self.seen.insert(next.clone()) {
            return Err(Error::repeated_page_token());
        }
        if self.seen.len() >= MOST {
            return Err(Error::endless_list(MOST));
        }
        self.token = Some(next);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::Pages;

    #[test]
    fn a_walk_ends_with_an_absent_or_empty_token_and_stops_at_a_repeated_one() {
        let mut pages = Pages::default();
        assert!(pages.turn(Some("a".to_owned())).unwrap());
        assert!(pages.turn(Some("b".to_owned())).unwrap());
        assert_eq!(pages.turn(Some("a".to_owned())).unwrap_err().code, "RepeatedPageToken");
        assert!(!pages.turn(Some(String::new())).unwrap());
        assert!(!pages.turn(None).unwrap());
    }

    #[test]
    fn a_list_without_an_end_is_given_up() {
        let mut pages = Pages::default();
        let mut turn = |number: usize| pages.turn(Some(number.to_string()));
        assert!((1..super::MOST).all(|number| turn(number).unwrap()));
        assert_eq!(turn(super::MOST).unwrap_err().code, "EndlessList");
    }
}
