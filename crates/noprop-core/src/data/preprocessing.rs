//! What is done to raw data before a net sees them. It belongs to the model: it is learned from the training data, stored in the
//! model file, and done to whatever is predicted.

use serde::{Deserialize, Serialize};

use super::InputShape;
use super::classes::MAX_NAME;
use crate::{Code, Error, Result};

/// Most different texts of a column that is one-hot encoded.
pub const MAX_CATEGORIES: usize = 1000;

/// How raw data become samples. As JSON an object with `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Preprocessing {
    /// Rows of a table.
    Table(TableSteps),
    /// Pictures of any size.
    Images {
        /// What happens to those of another ratio than a sample's.
        fit: Fit,
    },
}

/// What happens to a picture whose sides have another ratio than a sample's. Sizes change by an antialiased bilinear filter, as
/// Pillow's `BILINEAR`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// It fills the sample; what stands out on two sides is cut off.
    #[default]
    Cover,
    /// All of it is in the sample; two sides are black.
    Contain,
    /// It becomes wider or narrower.
    Stretch,
}

/// How a row of a table becomes a sample: the values of its columns, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableSteps {
    /// The column that has the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The columns that have the numbers to predict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    /// Those of `target` whose texts have a decimal comma.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decimal_comma: Vec<String>,
    /// Those of `target` whose texts have commas between thousands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thousands_comma: Vec<String>,
    /// The columns that the net sees, in this order.
    pub columns: Vec<ColumnSteps>,
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ColumnSteps {
    /// One value: (x − mean) / std. What is missing counts as the mean, so its value is 0.
    Number {
        /// Name of the column.
        name: String,
        /// Mean of the training rows.
        mean: f64,
        /// Standard deviation of the training rows (divided by n); 1 where all are equal.
        std: f64,
        /// Whether texts have a decimal comma.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        decimal_comma: bool,
        /// Whether texts have commas between thousands, and a decimal point.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        thousands_comma: bool,
    },
    /// A value for each text that the training rows have: 1 for that of the row, else 0. What is missing, and texts that training
    /// did not see, are all 0.
    Category {
        /// Name of the column.
        name: String,
        /// The texts, in increasing order.
        values: Vec<String>,
    },
}

impl ColumnSteps {
    /// Name of the column.
    pub fn name(&self) -> &str {
        match self {
            Self::Number { name, .. } | Self::Category { name, .. } => name,
        }
    }

    /// Values that the net sees of it.
    pub fn width(&self) -> usize {
        match self {
            Self::Number { .. } => 1,
            Self::Category { values, .. } => values.len(),
        }
    }
}

impl TableSteps {
    /// Values of a sample.
    pub fn width(&self) -> usize {
        self.columns.iter().map(ColumnSteps::width).sum()
    }
}

impl Preprocessing {
    /// Checks what a caller or a file says, and that it makes samples of shape `input`.
    ///
    /// # Errors
    /// [`Code::Option`], [`Code::Shape`].
    pub fn check(&self, input: InputShape) -> Result<()> {
        let table = match self {
            Self::Table(table) => table,
            Self::Images { .. } => return check_picture(input),
        };
        let refused = |what: String| {
            Error::new(Code::Option, format!("option preprocessing cannot be used: {what}"))
                .expected("the preprocessing of a data set, unchanged")
                .hint("take it from the data: preprocessing: data.preprocessing")
        };
        let mut names: Vec<_> = table.columns.iter().map(ColumnSteps::name).chain(table.label.as_deref()).collect();
        names.extend(table.target.iter().map(String::as_str));
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(refused(format!("column {:?} comes twice", pair[0])));
        }
        let stated = || table.decimal_comma.iter().chain(&table.thousands_comma);
        if let Some(name) = stated().find(|name| !table.target.contains(name)) {
            return Err(refused(format!("{name:?} is no target")));
        }
        if let Some(name) = table.decimal_comma.iter().find(|name| table.thousands_comma.contains(name)) {
            return Err(refused(format!("the commas of {name:?} mean two things")));
        }
        for column in &table.columns {
            let is_sound = match column {
                ColumnSteps::Number { mean, std, decimal_comma, thousands_comma, .. } => {
                    mean.is_finite() && std.is_finite() && *std > 0.0 && !(*decimal_comma && *thousands_comma)
                }
                ColumnSteps::Category { values, .. } => {
                    (1..=MAX_CATEGORIES).contains(&values.len())
                        && values.windows(2).all(|pair| pair[0] < pair[1])
                        && values.iter().all(|value| value.len() <= MAX_NAME)
                }
            };
            if !is_sound {
                return Err(refused(format!("column {:?} has values out of range", column.name())));
            }
        }
        if (InputShape::Vector { len: table.width() }) != input {
            return Err(Error::new(
                Code::Shape,
                "the preprocessing makes samples of another shape than the model takes",
            )
            .expected(format!("samples of {input}"))
            .received(format!("samples of {}", table.width()))
            .hint("create the model with the shape of the data: input: data.shape"));
        }
        Ok(())
    }
}

/// Pictures are samples of one channel or three.
///
/// # Errors
/// [`Code::Shape`].
pub(super) fn check_picture(input: InputShape) -> Result<()> {
    match input {
        InputShape::Image { channels: 1 | 3, .. } => Ok(()),
        _ => Err(Error::new(Code::Shape, "image files do not fit the input of this model")
            .expected("an input of height x width x 1 or height x width x 3")
            .received(input.to_string())
            .hint("give the samples as arrays")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns: &str, len: usize) -> Result<()> {
        let json = format!(r#"{{"type":"table","label":"y","columns":{columns}}}"#);
        serde_json::from_str::<Preprocessing>(&json).unwrap().check(InputShape::Vector { len })
    }

    #[test]
    fn it_is_json_and_checked() {
        let columns =
            r#"[{"type":"number","name":"a","mean":0.1,"std":2.0},{"type":"category","name":"b","values":["x","y"]}]"#;
        check(columns, 3).unwrap();
        let json = format!(r#"{{"type":"table","label":"y","columns":{columns}}}"#);
        let read: Preprocessing = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(check(columns, 4).unwrap_err().code, Code::Shape);
        for bad in [
            r#"[{"type":"number","name":"y","mean":0,"std":1}]"#,
            r#"[{"type":"number","name":"a","mean":0,"std":0}]"#,
            r#"[{"type":"number","name":"a","mean":0,"std":1,"decimalComma":true,"thousandsComma":true}]"#,
            r#"[{"type":"category","name":"a","values":[]}]"#,
            r#"[{"type":"category","name":"a","values":["b","a"]}]"#,
        ] {
            assert_eq!(check(bad, 1).unwrap_err().code, Code::Option, "{bad}");
        }
    }
}
