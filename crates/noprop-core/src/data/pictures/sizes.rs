//! How large pictures are in their files, beside the samples that they become.

use std::sync::Arc;

use serde::Serialize;

use super::decode::header;
use super::item::Item;
use crate::Result;
use crate::data::parallel::map;
use crate::data::{Dataset, Origins};
use crate::tensor::StopFlag;

/// The size of a picture in its file, when it stands upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Sizes of pictures, by their number of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The smallest.
    pub smallest: Size,
    /// The one in the middle; of an even number the larger of two.
    pub median: Size,
    /// The largest.
    pub largest: Size,
}

/// How large the pictures of data sets are in their files; none where no files are known, or none can be read any more.
///
/// # Errors
/// [`Code::Cancelled`](crate::Code::Cancelled).
pub fn sizes(data: &[&Dataset], stop: &StopFlag) -> Result<Option<Sizes>> {
    let files = data.iter().filter_map(|data| match data.origins() {
        Origins::Files(files) => Some(files),
        _ => None,
    });
    let items: Vec<Item> = files.flatten().map(|file| Item::File(Arc::clone(file))).collect();
    let headers = map(items.len(), stop, |index| header(&items[index]))?;
    let sound = headers.into_iter().flatten();
    let mut sizes: Vec<Size> = sound.map(|header| Size { width: header.width, height: header.height }).collect();
    sizes.sort_unstable_by_key(|size| (size.width * size.height, size.width));
    let (Some(&smallest), Some(&largest)) = (sizes.first(), sizes.last()) else { return Ok(None) };
    Ok(Some(Sizes { smallest, median: sizes[sizes.len() / 2], largest }))
}
