//! What the options of a net may be.

use super::shape::MAX_WIDTH;
use crate::data::InputShape;
use crate::error::{Code, Error, Result};

/// Least height and width of an image for the paper's block: what three unpadded 3×3 convolutions and two poolings leave a value of.
pub(super) const LEAST_SIDE: usize = 14;

/// A probability of dropping values.
pub(super) fn check_rate(dropout: f64) -> Result<()> {
    if (0.0..1.0).contains(&dropout) {
        return Ok(());
    }
    Err(Error::new(Code::Option, "option net.dropout is out of range")
        .expected("a probability from 0 to below 1")
        .received(dropout.to_string()))
}

/// Widths of layers.
pub(super) fn check_widths(name: &str, widths: &[usize]) -> Result<()> {
    if !widths.is_empty() && widths.len() <= 64 && widths.iter().all(|width| (1..=MAX_WIDTH).contains(width)) {
        return Ok(());
    }
    Err(Error::new(Code::Option, format!("option net.{name} is out of range"))
        .expected(format!("1 to 64 widths of 1 to {MAX_WIDTH}"))
        .received(format!("{widths:?}")))
}

/// How many of something.
pub(super) fn check_count(name: &str, count: usize, least: usize) -> Result<()> {
    if (least..=64).contains(&count) {
        return Ok(());
    }
    Err(Error::new(Code::Option, format!("option net.{name} is out of range"))
        .expected(format!("{least} to 64"))
        .received(count.to_string()))
}

/// What sizes are divided by.
pub(super) fn check_divisor(name: &str, divisor: usize, of: &[usize]) -> Result<()> {
    if divisor > 0 && of.iter().all(|size| size % divisor == 0) {
        return Ok(());
    }
    let sizes = of.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ");
    Err(Error::new(Code::Option, format!("option net.{name} does not fit"))
        .expected(format!("a number that divides {sizes}"))
        .received(divisor.to_string()))
}

/// Whether samples are images.
pub(super) fn check_image(net: &str, input: InputShape) -> Result<()> {
    match input {
        InputShape::Image { .. } => Ok(()),
        InputShape::Vector { .. } => Err(Error::new(Code::Shape, format!("net {net} cannot take feature vectors"))
            .expected("images [height, width, channels]")
            .received(input.to_string())
            .hint("use net mlp")),
    }
}

/// Filters that whiten patches of 3 × 3 pixels: two for each of their values at most.
pub(super) fn check_whitening(filters: usize, input: InputShape) -> Result<()> {
    let most = 18 * input.channels();
    if filters <= most {
        return Ok(());
    }
    Err(Error::new(Code::Option, "option net.whitening is out of range")
        .expected(format!("0 to {most}, twice the values of a patch of 3 × 3 pixels"))
        .received(filters.to_string()))
}

/// Whether samples are images that are large enough for the paper's block.
pub(super) fn check_size(input: InputShape) -> Result<()> {
    check_image("cnn", input)?;
    let InputShape::Image { height, width, .. } = input else { return Ok(()) };
    if height.min(width) >= LEAST_SIDE {
        return Ok(());
    }
    Err(Error::new(Code::Shape, "the images are too small for net cnn")
        .expected(format!("at least {LEAST_SIDE}x{LEAST_SIDE}: three unpadded 3x3 convolutions and two poolings"))
        .received(input.to_string())
        .hint("use net mlp, or enlarge the images"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_whiten_are_at_most_two_for_each_value_of_a_patch() {
        let input = InputShape::Image { height: 8, width: 8, channels: 3 };
        check_whitening(54, input).unwrap();
        let error = check_whitening(55, input).unwrap_err();
        assert_eq!((&error.what[..], &error.received[..]), ("option net.whitening is out of range", "55"));
    }
}
