//! Where a run computes: on the processor, or on GPUs.
//!
//! | file | what it holds |
//! |---|---|
//! | `choice.rs` | what a user asks for, and the devices that were found for it |
//! | `card.rs` | a GPU as its driver shows it, and whether it serves |
//! | `found.rs` | the GPUs of this machine |
//! | `trial.rs` | does a card do what a run needs of it? |
//! | `memory.rs` | too little memory of a device, as an error |

mod card;
mod choice;
mod found;
mod memory;
#[cfg(feature = "cuda")]
mod trial;

pub use card::{Card, usable};
pub use choice::{DeviceChoice, DeviceId, Devices};
pub use found::{cards, tried_cards};
pub use memory::allocated;
