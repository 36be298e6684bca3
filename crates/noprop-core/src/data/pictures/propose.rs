//! What pictures become: the size that is asked for, or one that suits them.

use std::path::Path;
use std::sync::Arc;

use super::decode::{Header, header};
use super::files::Files;
use super::options::FolderOptions;
use super::read::Target;
use crate::data::InputShape;
use crate::data::parallel::map;
use crate::data::preprocessing::Fit;
use crate::tensor::StopFlag;
use crate::{Code, Error, Result};

/// The side that is proposed lies between these, and is a multiple of `STEP`.
const SIDES: (usize, usize) = (16, 64);
const STEP: usize = 8;
/// Pictures that all have one size, and no side above this, stay as they are.
const SMALL: usize = 96;

/// The sample that the pictures become; those whose header cannot be read are left out.
pub(super) fn target(
    files: &mut Files,
    options: &FolderOptions,
    failures: &mut Vec<(Arc<Path>, Error)>,
    notes: &mut Vec<String>,
    stop: &StopFlag,
) -> Result<Target> {
    let fit = options.fit.or(Some(Fit::default()));
    if let Some(channels) = options.channels
        && ![1, 3].contains(&channels)
    {
        return Err(Error::new(Code::Option, "option channels is out of range")
            .expected("1 for grey, 3 for colours")
            .received(channels.to_string()));
    }
    if let Some([height, width]) = options.size {
        InputShape::new(&[height, width, 3]).map_err(|mut error| {
            error.code = Code::Option;
            error.what = "option size is out of range".to_owned();
            error
        })?;
        if let Some(channels) = options.channels {
            return Ok(Target { height, width, channels, fit });
        }
    }
    let headers = map(files.items.len(), stop, |index| header(&files.items[index]))?;
    let (mut sound, mut kept) = (Vec::new(), Vec::new());
    let mut first = None;
    for (index, header) in headers.into_iter().enumerate() {
        match header {
            Ok(header) => {
                sound.push(header);
                kept.push(index);
            }
            Err(error) if options.strict => return Err(error),
            Err(error) => {
                first = first.or_else(|| Some(error.clone()));
                failures.push((files.items[index].path().clone(), error));
            }
        }
    }
    if let (true, Some(error)) = (sound.is_empty(), first) {
        return Err(error);
    }
    *files = files.of(&kept);
    let channels = options.channels.unwrap_or(if sound.iter().all(|header| header.is_grey) { 1 } else { 3 });
    let [height, width] = options.size.unwrap_or_else(|| {
        let size = propose(&sound);
        notes.push(format!("pictures become {}x{} pixels (width x height; size sets it)", size[1], size[0]));
        size
    });
    Ok(Target { height, width, channels, fit })
}

/// Height and width for pictures of these sizes, at least one.
fn propose(headers: &[Header]) -> [usize; 2] {
    let first = headers[0];
    let same = headers.iter().all(|header| (header.height, header.width) == (first.height, first.width));
    if same && first.height.max(first.width) <= SMALL {
        return [first.height, first.width];
    }
    let mut sides: Vec<_> = headers.iter().map(|header| header.height.min(header.width)).collect();
    sides.sort_unstable();
    let side = (sides[sides.len() / 2] / STEP * STEP).clamp(SIDES.0, SIDES.1);
    [side, side]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_proposed_from_the_pictures() {
        let header = |height, width| Header { height, width, is_grey: false };
        assert_eq!(propose(&[header(28, 30), header(28, 30)]), [28, 30]);
        assert_eq!(propose(&[header(300, 400), header(300, 400)]), [64, 64]);
        assert_eq!(propose(&[header(45, 80), header(90, 50), header(1000, 53)]), [48, 48]);
        assert_eq!(propose(&[header(5, 80), header(9, 6)]), [16, 16]);
    }
}
