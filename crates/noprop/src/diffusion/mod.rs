//! The diffusion mathematics.
