//! Choices from a seed: the same for the same seed, on every machine.

/// Dice whose throws are the numbers of a seed, one after the other.
#[derive(Clone, Debug)]
pub struct Dice {
    seed: u64,
    throws: u64,
}

impl Dice {
    /// Dice that nobody has thrown yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, throws: 0 }
    }

    /// A number from 0 to `sides` - 1.
    pub fn roll(&mut self, sides: usize) -> usize {
        let number = number_at(self.seed, self.throws);
        self.throws += 1;
        usize::try_from(number % sides.max(1) as u64).unwrap_or_default()
    }

    /// One of these; `None` if there are none.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.roll(from.len())).cloned()
    }

    /// One of these.
    ///
    /// # Panics
    ///
    /// There are none.
    pub fn one_of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }
}

/// The number at a place in the row of a seed, from 0 on: `SplitMix64`.
pub(crate) fn number_at(seed: u64, place: u64) -> u64 {
    let mut bits = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Dice, number_at};

    /// Those that the authors' own code prints for this seed
    /// (<https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64>).
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let numbers = [0, 1, 2, 3, 4].map(|place| number_at(1_234_567, place));
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(numbers, known);
    }

    #[test]
    fn nothing_is_picked_of_nothing() {
        let mut dice = Dice::new(1);
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert_eq!((dice.pick(&["a"]), dice.one_of(&["a"])), (Some("a"), "a"));
        assert!((0..100).all(|_| dice.roll(6) < 6));
    }
}
