//! The classes of a data set or a model: integers, or names.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Code, Error, Result};

/// Most bytes of a class's name in UTF-8.
pub const MAX_NAME: usize = 1024;
/// So many characters of a name are shown in a message.
const SHOWN: usize = 40;

/// Distinct classes in their order; a class is known to nets by its position. As JSON a list of integers, or of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classes {
    /// Label values.
    Values(Vec<i32>),
    /// Names. A data set's labels are positions in this list.
    Names(Vec<String>),
}

impl Classes {
    /// The number of classes.
    #[allow(clippy::len_without_is_empty, reason = "only unlabelled data have no class")]
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Names(names) => names.len(),
        }
    }

    /// The label values; empty where classes have names.
    pub fn values(&self) -> &[i32] {
        match self {
            Self::Values(values) => values,
            Self::Names(_) => &[],
        }
    }

    /// The names, if the classes have any.
    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::Values(_) => None,
            Self::Names(names) => Some(names),
        }
    }

    /// What stands for class `index` where labels are numbers: its value, or its position where it has a name. Panics when there
    /// is no such class.
    pub fn label(&self, index: usize) -> i32 {
        match self {
            Self::Values(values) => values[index],
            Self::Names(_) => index as i32,
        }
    }

    /// Class `index` as text. Panics when there is no such class.
    pub fn text(&self, index: usize) -> String {
        match self {
            Self::Values(values) => values[index].to_string(),
            Self::Names(names) => shown(&names[index]),
        }
    }

    /// For each class its position in `others`, or the first one that is not there.
    pub(super) fn positions_in(&self, others: &Self) -> std::result::Result<Vec<u32>, usize> {
        match (self, others) {
            (Self::Values(own), Self::Values(others)) => positions(own, others),
            (Self::Names(own), Self::Names(others)) => positions(own, others),
            _ => Err(0),
        }
    }

    /// Checks the classes of a model: values in increasing order, or distinct names in any order.
    ///
    /// # Errors
    /// [`Code::Label`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Values(values) => match values.windows(2).find(|pair| pair[0] >= pair[1]) {
                Some(pair) => Err(Error::new(Code::Label, "the classes are not in order")
                    .expected("labels sorted upwards, without repetition")
                    .received(format!("{} before {}", pair[0], pair[1]))),
                None => Ok(()),
            },
            Self::Names(names) => {
                names.iter().try_for_each(|name| check_name(name))?;
                let mut sorted: Vec<_> = names.iter().collect();
                sorted.sort();
                match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                    Some(pair) => Err(Error::new(Code::Label, "two classes have the same name")
                        .expected("names without repetition")
                        .received(shown(pair[0]))),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Refuses an empty or overlong name.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::new(Code::Label, "a class has no name")
            .expected(format!("a text of 1 to {MAX_NAME} bytes"))
            .received(if name.is_empty() { "empty text" } else { "blanks" })
            .hint("leave out the samples whose label is missing, or give them a name of their own"));
    }
    if name.len() > MAX_NAME {
        return Err(Error::new(Code::Label, "the name of a class is too long")
            .expected(format!("at most {MAX_NAME} bytes"))
            .received(format!("{} bytes: {}", name.len(), shown(name)))
            .hint("is this column really the label?"));
    }
    Ok(())
}

/// Names, each once and in increasing order, and the position of each sample's name among them, of any names and a position in
/// them for each sample. Names that no sample has are left out.
///
/// # Errors
/// [`Code::Label`] for a bad name or a position that is not there.
pub(super) fn named(names: &[String], labels: &[i32]) -> Result<(Vec<String>, Vec<i32>)> {
    let mut used = vec![false; names.len()];
    for (sample, label) in labels.iter().enumerate() {
        let place = usize::try_from(*label).ok().and_then(|index| used.get_mut(index));
        *place.ok_or_else(|| {
            Error::new(Code::Label, format!("the label of sample {sample} has no name"))
                .expected(format!("a position from 0 to {}", names.len().saturating_sub(1)))
                .received(label.to_string())
        })? = true;
    }
    let mut sorted: Vec<&String> = names.iter().zip(&used).filter_map(|(name, used)| used.then_some(name)).collect();
    sorted.iter().try_for_each(|name| check_name(name))?;
    sorted.sort();
    sorted.dedup();
    let place = |name: &String| sorted.binary_search(&name).map_or(0, |place| place as i32);
    let places: Vec<i32> = names.iter().map(place).collect();
    Ok((sorted.iter().copied().cloned().collect(), labels.iter().map(|label| places[*label as usize]).collect()))
}

fn positions<T: Eq + std::hash::Hash>(own: &[T], others: &[T]) -> std::result::Result<Vec<u32>, usize> {
    let mut places = HashMap::new();
    for (position, other) in others.iter().enumerate() {
        places.entry(other).or_insert(position as u32);
    }
    own.iter().enumerate().map(|(index, class)| places.get(class).copied().ok_or(index)).collect()
}

/// A name as a message shows it: quoted, and cut where it is long.
fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

/// In words; the middle ones of a long list are left out.
impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |range: std::ops::Range<usize>| range.map(|index| self.text(index)).collect::<Vec<_>>().join(", ");
        match self.len() {
            0 => f.write_str("no classes at all"),
            len if len <= 12 => f.write_str(&list(0..len)),
            len => write!(f, "{}, …, {} ({len} classes)", list(0..5), list(len - 2..len)),
        }
    }
}

impl From<Vec<i32>> for Classes {
    fn from(values: Vec<i32>) -> Self {
        Self::Values(values)
    }
}

impl Serialize for Classes {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Values(values) => values.serialize(to),
            Self::Names(names) => names.serialize(to),
        }
    }
}

/// One class of a list.
enum Class {
    Value(i32),
    Name(String),
}

impl<'de> Deserialize<'de> for Class {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Class;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of 32 bits, or text")
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> std::result::Result<Class, E> {
                i32::try_from(value).map(Class::Value).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<Class, E> {
                i32::try_from(value).map(Class::Value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> std::result::Result<Class, E> {
                Ok(Class::Name(value.to_owned()))
            }
        }
        from.deserialize_any(Read)
    }
}

impl<'de> Deserialize<'de> for Classes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Classes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of whole numbers, or of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Classes, A::Error> {
                let (mut values, mut names) = (Vec::new(), Vec::new());
                while let Some(class) = list.next_element::<Class>()? {
                    match class {
                        Class::Value(value) => values.push(value),
                        Class::Name(name) => names.push(name),
                    }
                }
                match (values.is_empty(), names.is_empty()) {
                    (_, true) => Ok(Classes::Values(values)),
                    (true, false) => Ok(Classes::Names(names)),
                    _ => Err(A::Error::custom(
                        "some classes are numbers and others are text; expected: only numbers, or only texts",
                    )),
                }
            }
        }
        from.deserialize_seq(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, InputShape, Pixels};

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn classes_are_lists_in_json() {
        for (json, classes) in [
            ("[-1,40]", Classes::Values(vec![-1, 40])),
            ("[]", Classes::Values(vec![])),
            (r#"["dog","cat"]"#, Classes::Names(names(&["dog", "cat"]))),
        ] {
            assert_eq!(serde_json::from_str::<Classes>(json).unwrap(), classes);
            assert_eq!(serde_json::to_string(&classes).unwrap(), json);
        }
        for json in ["3", "[1.5]", "[2147483648]", "[null]", r#"[1,"a"]"#, "[[1]]"] {
            assert!(serde_json::from_str::<Classes>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn bad_classes_are_refused() {
        for classes in [
            Classes::Values(vec![2, 1]),
            Classes::Values(vec![1, 1]),
            Classes::Names(names(&["a", "b", "a"])),
            Classes::Names(names(&["a", " "])),
            Classes::Names(vec!["x".repeat(MAX_NAME + 1), "y".to_owned()]),
        ] {
            assert_eq!(classes.check().unwrap_err().code, Code::Label, "{classes}");
        }
        assert!(Classes::Names(names(&["b", "a"])).check().is_ok());
    }

    #[test]
    fn names_are_sorted_and_those_that_occur() {
        let (sorted, labels) = named(&names(&["dog", "ant", "cat", "dog"]), &[0, 2, 3, 2]).unwrap();
        assert_eq!((sorted, labels), (names(&["cat", "dog"]), vec![1, 0, 1, 0]));
        for bad in [4, -1] {
            assert_eq!(named(&names(&["a"]), &[0, bad]).unwrap_err().code, Code::Label);
        }
    }

    #[test]
    fn names_of_two_data_sets_agree_by_name() {
        let data = |list: &[&str], labels: &[i32]| {
            let pixels = Pixels::U8(vec![0; labels.len()]);
            Dataset::with_names(pixels, InputShape::new(&[1]).unwrap(), labels, &names(list)).unwrap()
        };
        let model = Classes::Names(names(&["dog", "cat"]));
        assert_eq!(data(&["cat", "dog"], &[0, 1, 0]).class_indices(&model).unwrap(), [1, 0, 1]);
        assert_eq!(data(&["cat"], &[0]).class_indices(&model).unwrap(), [1]);
        let error = data(&["cat", "bird"], &[0, 1]).class_indices(&model).unwrap_err();
        assert_eq!((error.code, error.received.as_str()), (Code::Label, "\"bird\""));
        assert!(error.what.contains("sample 1 "), "{error}");
        let error = data(&["cat"], &[0]).class_indices(&Classes::Values(vec![0, 1])).unwrap_err();
        assert_eq!(error.code, Code::Label);
        assert_ne!(data(&["cat"], &[0]).fingerprint(), data(&["dog"], &[0]).fingerprint());
        let first = data(&["dog", "cat"], &[0, 1]).truncate(1).unwrap();
        assert_eq!(first.classes(), &Classes::Names(names(&["dog"])));
    }
}
