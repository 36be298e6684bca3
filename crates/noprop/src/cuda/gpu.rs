//! Kernels on a card, on candle's stream.
