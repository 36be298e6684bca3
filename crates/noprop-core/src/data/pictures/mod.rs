//! Pictures as samples: JPEG, PNG, WebP, BMP and the first frame of GIF.
//!
//! | file | what it does |
//! |---|---|
//! | `decode.rs` | a file to its colours, upright, over black |
//! | `jpeg.rs` | whether a JPEG file is whole |
//! | `room.rs` | the memory that pictures take while they are decoded |
//! | `fit.rs` | colours to a size: cover, contain, stretch |
//! | `read.rs` | many files, on all cores, to samples |
//! | `cache.rs` | samples in memory, or in a file where they are too many |
//! | `folder.rs`, `splits.rs`, `kind.rs` | folders whose names are the labels; those of the training and the test; what is a picture |
//! | `sizes.rs` | how large pictures are in their files |
//! | `encoded.rs` | pictures that lie in other files |
//! | `item.rs`, `files.rs`, `propose.rs`, `options.rs`, `load.rs` | what both have in common: pictures and classes, their size, data sets |

mod cache;
mod decode;
mod encoded;
mod files;
mod fit;
mod folder;
#[cfg(test)]
mod fuzz;
mod item;
mod jpeg;
pub(in crate::data) mod kind;
mod load;
mod options;
mod propose;
mod read;
mod room;
mod sizes;
mod splits;

pub use encoded::{Encoded, load_encoded};
pub use folder::load_folder;
pub use options::{FolderOptions, LoadedFolder};
pub use read::{Failures, load_images, load_sound_images};
pub use sizes::{Size, Sizes, sizes};
