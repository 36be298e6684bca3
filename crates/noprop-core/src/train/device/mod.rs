//! Training on devices that run kernels: all blocks in flight are stacked and stepped by one launch an operation.
//!
//! | file | what it holds |
//! |---|---|
//! | `data.rs` | the data set on the device |
//! | `buffers.rs` | what a step writes |
//! | `stack.rs` | the buffers of K blocks, and one step of them |
//! | `plain.rs` | one step of them whose draws and losses are the processor's |
//! | `group.rs` | K jobs that are at the same step, and what is read back of them |
//! | `run.rs` | a device's thread: which jobs it takes, how far it steps them, what it reports |
//! | `memory.rs` | how many blocks a device has room for |
//!
//! Which blocks are stacked, on how many devices and in which order is a matter of the schedule alone: row k of every tensor
//! depends on its block and on nothing beside it.

mod buffers;
mod data;
mod group;
pub(super) mod memory;
mod plain;
mod run;
mod stack;

pub(crate) use data::DeviceData;
pub(crate) use memory::floor;
pub(crate) use stack::Stack;
