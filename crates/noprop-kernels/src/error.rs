//! One error type with a stable code. Every error says what went wrong, what was expected, what came, and how to mend it.

#[cfg(feature = "cuda")]
pub(crate) mod driver;

use std::fmt;

/// Stable error codes, also visible to JavaScript and on the command line. `docs/errors.md` lists each with its cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// An option has an unknown name or a value out of range.
    Option,
    /// Data or an option has a shape that the net or the model cannot take.
    Shape,
    /// A label that the model or the data set does not know.
    Label,
    /// A value that is not a finite number.
    Value,
    /// Two things that must agree in number do not (images and labels).
    Count,
    /// A file or directory that does not exist.
    FileNotFound,
    /// A file that is not of the expected format, or whose header contradicts it.
    FileFormat,
    /// A file that ends before its header says it would.
    FileTruncated,
    /// A file could not be read or written.
    Io,
    /// An output path that cannot be written.
    Output,
    /// A model file that is not one of ours, or whose content contradicts its configuration.
    ModelFormat,
    /// A model file of another format version.
    ModelVersion,
    /// A model file that is shorter than it claims.
    ModelTruncated,
    /// A model file that was overwritten while its model was in use.
    ModelChanged,
    /// Parts of a model that do not make a whole one.
    Parts,
    /// A model that has no trained weights yet.
    NotTrained,
    /// A model that is being trained.
    Busy,
    /// A model or a data set that was disposed of.
    Disposed,
    /// Memory that the system does not give.
    Memory,
    /// A checkpoint directory that holds another run.
    CheckpointMismatch,
    /// A checkpoint directory that already holds a run, without `resume`.
    CheckpointExists,
    /// A checkpoint file that cannot be trusted.
    CheckpointCorrupt,
    /// A checkpoint directory in use by another process.
    CheckpointLocked,
    /// A device that is not there or cannot be used.
    Device,
    /// A GPU that has not enough free memory.
    DeviceMemory,
    /// No NVIDIA driver, or one that does not run.
    CudaDriver,
    /// An NVIDIA driver that is older than the CUDA release this was built with.
    CudaDriverOld,
    /// A thread that the system refused to start.
    Threads,
    /// Training produced a loss that is not a finite number.
    Diverged,
    /// The caller asked to stop.
    Cancelled,
    /// A defect of this library.
    Internal,
}

impl Code {
    /// The code as users see it, for example `NOPROP_OPTION`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Option => "NOPROP_OPTION",
            Code::Shape => "NOPROP_SHAPE",
            Code::Label => "NOPROP_LABEL",
            Code::Value => "NOPROP_VALUE",
            Code::Count => "NOPROP_COUNT",
            Code::FileNotFound => "NOPROP_FILE_NOT_FOUND",
            Code::FileFormat => "NOPROP_FILE_FORMAT",
            Code::FileTruncated => "NOPROP_FILE_TRUNCATED",
            Code::Io => "NOPROP_IO",
            Code::Output => "NOPROP_OUTPUT",
            Code::ModelFormat => "NOPROP_MODEL_FORMAT",
            Code::ModelVersion => "NOPROP_MODEL_VERSION",
            Code::ModelTruncated => "NOPROP_MODEL_TRUNCATED",
            Code::ModelChanged => "NOPROP_MODEL_CHANGED",
            Code::Parts => "NOPROP_PARTS",
            Code::NotTrained => "NOPROP_NOT_TRAINED",
            Code::Busy => "NOPROP_BUSY",
            Code::Disposed => "NOPROP_DISPOSED",
            Code::Memory => "NOPROP_MEMORY",
            Code::CheckpointMismatch => "NOPROP_CHECKPOINT_MISMATCH",
            Code::CheckpointExists => "NOPROP_CHECKPOINT_EXISTS",
            Code::CheckpointCorrupt => "NOPROP_CHECKPOINT_CORRUPT",
            Code::CheckpointLocked => "NOPROP_CHECKPOINT_LOCKED",
            Code::Device => "NOPROP_DEVICE",
            Code::DeviceMemory => "NOPROP_DEVICE_MEMORY",
            Code::CudaDriver => "NOPROP_CUDA_DRIVER",
            Code::CudaDriverOld => "NOPROP_CUDA_DRIVER_OLD",
            Code::Threads => "NOPROP_THREADS",
            Code::Diverged => "NOPROP_DIVERGED",
            Code::Cancelled => "NOPROP_CANCELLED",
            Code::Internal => "NOPROP_INTERNAL",
        }
    }
}

/// An error with its code, what was expected, what came, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// What went wrong, one sentence without a full stop.
    pub what: String,
    /// What was expected; may be empty.
    pub expected: String,
    /// What came instead; may be empty.
    pub received: String,
    /// How to mend it; may be empty.
    pub hint: String,
}

impl Error {
    /// What happened, without its cure, in one line: for a notice that something goes on without what failed.
    pub fn in_one_line(&self) -> String {
        let Self { what, received, .. } = self;
        let text = if received.is_empty() { what.clone() } else { format!("{what} ({received})") };
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// An error that says only what went wrong; add the rest with [`expected`](Self::expected) and its siblings.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), expected: String::new(), received: String::new(), hint: String::new() }
    }

    /// Says what was expected.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Says what came instead.
    pub fn received(mut self, received: impl Into<String>) -> Self {
        self.received = received.into();
        self
    }

    /// Says how to mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The error of work that its caller stopped.
    pub fn cancelled() -> Self {
        Self::new(Code::Cancelled, "the work was cancelled")
    }

    /// Wraps an I/O error on `path`: not found keeps a code of its own.
    pub fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::FileNotFound } else { Code::Io };
        Self::new(code, format!("cannot access {}", path.display()))
            .received(error.to_string())
            .hint("check that the path exists and that you may use it")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for (name, text) in [("expected", &self.expected), ("received", &self.received), ("hint", &self.hint)] {
            if !text.is_empty() {
                write!(f, "; {name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<candle_core::Error> for Error {
    /// candle's errors are ours to avoid, so one that arrives is a defect, unless the GPU failed. Its backtrace is left out.
    fn from(error: candle_core::Error) -> Self {
        #[cfg(feature = "cuda")]
        if let Some(error) = driver::of_candle(&error) {
            return error;
        }
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().to_owned();
        Error::new(Code::Internal, format!("a tensor operation failed: {first}"))
            .hint("this is a defect of noprop; please report it with the command that led here")
    }
}

/// The crate's result type.
pub type Result<T> = std::result::Result<T, Error>;
