//! Data sets: labelled samples in memory and the files they come from.
//!
//! [`load`] reads a directory of IDX files (MNIST and its kin) or of CIFAR's binary files, [`load_images`] reads pictures and
//! [`load_folder`] folders of them, [`load_table`] reads tables,
//! [`Dataset::from_arrays`] takes arrays. Files are read as hostile input: sizes are checked before memory is allocated, and
//! compressed data may not grow past what its header claims.
//!
//! ```
//! use noprop_core::data::{Dataset, InputShape, Pixels};
//!
//! // Two pictures of 2 × 2 grey pixels, and their labels, which may be any numbers.
//! let pixels = Pixels::U8(vec![0, 255, 255, 0, 255, 0, 0, 255]);
//! let data = Dataset::from_arrays(pixels, InputShape::new(&[2, 2])?, Some(vec![-1, 40]))?;
//! assert_eq!((data.samples(), data.classes().values()), (2, &[-1, 40][..]));
//! # Ok::<(), noprop_core::Error>(())
//! ```

pub mod augment;
pub mod cifar;
pub mod classes;
pub mod dataset;
pub mod directory;
mod foreign;
pub mod idx;
mod listing;
pub mod medoids;
mod on_disk;
pub mod origins;
mod parallel;
pub mod pictures;
pub mod preprocessing;
pub mod shape;
mod source;
pub mod split;
pub mod statistics;
pub mod stored;
pub mod table;
mod tar;
pub mod targets;

pub use augment::{Augment, Flip};
pub use classes::Classes;
pub use dataset::{Dataset, Pixels};
pub use directory::{load, load_unlabelled, parts};
pub use on_disk::OnDisk;
pub use origins::{Origin, Origins};
pub use pictures::{Encoded, FolderOptions, load_encoded, load_folder, load_images, load_sound_images};
pub use preprocessing::{ColumnSteps, Fit, Preprocessing, TableSteps};
pub use shape::InputShape;
pub use split::Split;
pub use table::{TableOptions, TableSource, load_table};
pub use targets::Targets;
