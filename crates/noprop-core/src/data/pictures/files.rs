//! Pictures and their classes, before they are decoded.

use super::item::Item;

/// What the classes are called.
#[derive(Clone, Debug)]
pub(super) enum Labels {
    Names(Vec<String>),
    Values(Vec<i32>),
}

impl Labels {
    pub fn len(&self) -> usize {
        match self {
            Self::Names(names) => names.len(),
            Self::Values(values) => values.len(),
        }
    }
}

/// Pictures and their classes.
pub(super) struct Files {
    /// The folder or the file that they are in, for errors.
    pub place: String,
    pub items: Vec<Item>,
    /// Positions in `classes`.
    pub labels: Vec<i32>,
    pub classes: Labels,
}

impl Files {
    /// The class of each picture.
    pub fn positions(&self) -> Vec<u32> {
        self.labels.iter().map(|label| *label as u32).collect()
    }

    /// Those at these positions.
    pub fn of(&self, samples: &[usize]) -> Self {
        Self {
            place: self.place.clone(),
            items: samples.iter().map(|sample| self.items[*sample].clone()).collect(),
            labels: samples.iter().map(|sample| self.labels[*sample]).collect(),
            classes: self.classes.clone(),
        }
    }

    /// So many pictures, the first of each class, then the second of each, and so on; in the order of the files.
    pub fn in_turn(&self, limit: usize) -> Vec<usize> {
        let mut seen = vec![0; self.classes.len()];
        let turns = self.labels.iter().enumerate().map(|(sample, label)| {
            let turn = &mut seen[*label as usize];
            *turn += 1;
            (*turn, *label, sample)
        });
        let mut turns: Vec<(usize, i32, usize)> = turns.collect();
        turns.sort_unstable();
        let mut samples: Vec<_> = turns.into_iter().take(limit).map(|(_, _, sample)| sample).collect();
        samples.sort_unstable();
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_take_classes_in_turn() {
        let files = Files {
            place: String::new(),
            items: Vec::new(),
            labels: vec![0, 0, 0, 0, 1, 2, 2],
            classes: Labels::Values(vec![5, 6, 7]),
        };
        assert_eq!(files.in_turn(4), [0, 1, 4, 5]);
        assert_eq!(files.in_turn(6), [0, 1, 2, 4, 5, 6]);
        assert_eq!(files.in_turn(99), [0, 1, 2, 3, 4, 5, 6]);
    }
}
