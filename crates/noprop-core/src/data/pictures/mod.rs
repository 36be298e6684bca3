//! Pictures as samples: JPEG, PNG, WebP, BMP and the first frame of GIF.
//!
//! | file | what it does |
//! |---|---|
//! | `decode.rs` | a file to its colours, upright, over black |
//! | `fit.rs` | colours to a size: cover, contain, stretch |
//! | `read.rs` | many files, on all cores, to samples |
//! | `folder.rs` | folders whose names are the labels |

mod decode;
mod fit;
mod folder;
mod read;

pub use folder::{FolderOptions, LoadedFolder, load_folder};
pub use read::{Failures, load_images, load_sound_images};
