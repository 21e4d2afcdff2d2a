//! Numbers for ids in the order they come, found at once however many there are.

/// Ids and their numbers, from 0. All memory is taken once.
pub struct IdIndex {
    /// A place holds an id and its number; a power of two of places, at least half of them empty.
    places: Box<[Option<(u32, u32)>]>,
    /// The places in use, by number.
    used: Vec<usize>,
    most: usize,
}

impl IdIndex {
    /// Room for so many ids.
    pub fn new(most: usize) -> Self {
        Self {
            places: vec![None; (2 * most).next_power_of_two()].into(),
            used: Vec::with_capacity(most),
            most,
        }
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// The number of an id, and whether it is new; `None` where there is no room for another.
    pub fn place(&mut self, id: u32) -> Option<(usize, bool)> {
        let last = self.places.len() - 1;
        // Multiplied, so that ids which differ in a few bits only do not all meet.
        let mut at = usize::try_from(id.wrapping_mul(0x9E37_79B1) >> 7).unwrap_or(0) & last;
        loop {
            match self.places[at] {
                Some((known, number)) if known == id => {
                    return Some((usize::try_from(number).ok()?, false));
                }
                Some(_) => at = (at + 1) & last,
                None if self.used.len() == self.most => return None,
                None => {
                    let number = self.used.len();
                    self.places[at] = Some((id, crate::formats::count(number)));
                    self.used.push(at);
                    return Some((number, true));
                }
            }
        }
    }

    /// Forgets all ids.
    pub fn clear(&mut self) {
        for at in self.used.drain(..) {
            self.places[at] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_get_numbers_as_they_come() {
        const MOST: u32 = 1000;
        let mut index = IdIndex::new(1000);
        for round in 0..3 {
            let id = |number: u32| (number << round).wrapping_mul(4096) ^ round;
            for number in 0..MOST {
                let wanted = usize::try_from(number).unwrap();
                assert_eq!(index.place(id(number)), Some((wanted, true)));
                assert_eq!(index.place(id(number)), Some((wanted, false)));
            }
            assert_eq!(index.place(u32::MAX), None, "full");
            assert_eq!(index.place(id(7)), Some((7, false)));
            assert_eq!(index.len(), 1000);
            index.clear();
            assert_eq!(index.len(), 0);
        }
        assert_eq!(IdIndex::new(0).place(1), None);
    }
}
