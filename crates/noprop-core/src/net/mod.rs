//! Denoisers as graphs: declared once ([`graph`]; `cnn.rs`, `mlp.rs`, `resnet.rs` and `vit.rs` are the presets), compiled once to calls of kernels (`program/`).
//!
//! A node's operation says everything of itself in its file of [`spec`]: shapes, tensors, multiply-adds, calls. From the graph follow
//! the layout of a block's weights, its FLOPs, its buffers.

mod activation;
pub(crate) mod block;
mod buffers;
pub(crate) mod builder;
mod checks;
mod cnn;
pub(crate) mod config;
mod features;
mod forward_forward;
pub mod graph;
mod json;
pub mod layout;
mod mlp;
pub(crate) mod onnx;
pub mod op;
mod placement;
pub(crate) mod program;
mod resnet;
pub mod shape;
pub mod spec;
pub mod step;
mod summary;
#[cfg(test)]
mod tests;
mod vit;
mod whitening;

pub use activation::Activation;
pub use block::Block;
pub use buffers::Buffers;
pub(crate) use buffers::made;
pub use config::NetConfig;
pub(crate) use forward_forward::forward_forward;
pub use graph::{Form, Graph, Output};
pub use layout::Layout;
pub(crate) use placement::Placement;
pub use step::{Draw, Mode, Step};
pub use summary::Layer;
