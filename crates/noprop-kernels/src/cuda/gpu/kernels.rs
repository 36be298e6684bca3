//! The fat binary of the kernels on one card, and what is checked before one is launched.

use super::opened::alone;
use crate::cuda::recording::refuse;
use crate::error::driver::of_driver;
use crate::error::{Code, Error, Result};
use candle_core::cuda_backend::cudarc::driver::sys::{self, CUfunction_attribute_enum as Attribute};
use candle_core::cuda_backend::cudarc::driver::{CudaContext, CudaFunction, CudaModule};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Code for several capabilities, and PTX for newer ones; made by `build.rs`.
static FAT_BINARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));

/// Dynamic shared memory that every kernel may use without asking.
const SHARED_FOR_ALL: u32 = 48 * 1024;

/// The kernels of one card. They live as long as the process, since loading them takes longer than a small run.
pub(super) struct Kernels {
    module: Arc<CudaModule>,
    /// The number of the card.
    ordinal: usize,
    functions: Mutex<HashMap<String, Kernel>>,
}

struct Kernel {
    function: CudaFunction,
    /// Bytes of its one parameter.
    parameter: usize,
    /// Most threads of a block, from the registers that it takes and from its launch bounds.
    threads: u32,
    /// Dynamic shared memory that it may use now.
    shared: u32,
}

impl Kernels {
    /// Those of the card of `context`, loaded at first use.
    pub(super) fn of(context: &Arc<CudaContext>) -> Result<Arc<Self>> {
        static LOADED: OnceLock<Mutex<HashMap<usize, Arc<Kernels>>>> = OnceLock::new();
        let loaded = || LOADED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernels) = loaded().get(&context.ordinal()) {
            return Ok(kernels.clone());
        }
        refuse(|| "the kernels of a card".to_owned())?;
        // Before the list, which recordings look into.
        let _alone = alone(context.ordinal());
        if let Some(kernels) = loaded().get(&context.ordinal()) {
            return Ok(kernels.clone());
        }
        // The module belongs to the card's primary context, which all contexts of cudarc share; this one is kept with it.
        let module = context.load_module(Ptx::from_binary(FAT_BINARY.to_vec())).map_err(|error| {
            of_driver(error, &format!("the kernels cannot be loaded on cuda:{}", context.ordinal()))
        })?;
        let kernels = Arc::new(Self { module, ordinal: context.ordinal(), functions: Mutex::default() });
        loaded().insert(context.ordinal(), kernels.clone());
        Ok(kernels)
    }

    /// A kernel's handle, once it is sure that it can be launched so.
    pub(super) fn function(&self, name: &str, threads: u32, shared: u32, parameter: usize) -> Result<sys::CUfunction> {
        if let Some(function) = self.ready(name, threads, shared, parameter)? {
            return Ok(function);
        }
        // Before the list, which recordings look into.
        let _alone = alone(self.ordinal);
        let mut functions = self.functions();
        let kernel = match functions.entry(name.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Kernel::load(&self.module, name)?),
        };
        kernel.check(name, threads, parameter)?;
        kernel.allow(name, shared)?;
        Ok(kernel.function.cu_function())
    }

    /// The same of a kernel that has been loaded and may use so much shared memory; a recording is refused another.
    fn ready(&self, name: &str, threads: u32, shared: u32, parameter: usize) -> Result<Option<sys::CUfunction>> {
        let functions = self.functions();
        let Some(kernel) = functions.get(name) else {
            refuse(|| format!("kernel {name}, which has not been loaded"))?;
            return Ok(None);
        };
        kernel.check(name, threads, parameter)?;
        if shared > kernel.shared {
            refuse(|| format!("{shared} bytes of shared memory for kernel {name}, which has had {}", kernel.shared))?;
            return Ok(None);
        }
        Ok(Some(kernel.function.cu_function()))
    }

    fn functions(&self) -> MutexGuard<'_, HashMap<String, Kernel>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel {
    fn load(module: &Arc<CudaModule>, name: &str) -> Result<Self> {
        let failed = |error| of_driver(error, &format!("kernel {name} is not in the fat binary"));
        let function = module.load_function(name).map_err(failed)?;
        let threads = function.max_threads_per_block().map_err(failed)?.unsigned_abs();
        let (mut offset, mut parameter) = (0, 0);
        // SAFETY: the function is loaded, and both places outlive the call.
        unsafe { sys::cuFuncGetParamInfo(function.cu_function(), 0, &mut offset, &mut parameter) }
            .result()
            .map_err(failed)?;
        Ok(Self { function, parameter, threads, shared: SHARED_FOR_ALL })
    }

    fn check(&self, name: &str, threads: u32, parameter: usize) -> Result<()> {
        let internal = |what: &str| Err(Error::new(Code::Internal, format!("kernel {name}: {what}")));
        if self.parameter != parameter {
            return internal(&format!("its arguments have {} bytes, not {parameter}", self.parameter));
        }
        if threads > self.threads {
            return internal(&format!("it is not made for {threads} threads, at most {}", self.threads));
        }
        Ok(())
    }

    /// Raises the dynamic shared memory that it may use to at least `shared` bytes.
    fn allow(&mut self, name: &str, shared: u32) -> Result<()> {
        if shared <= self.shared {
            return Ok(());
        }
        let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let bytes = i32::try_from(shared).expect("shared memory is far below 2 GiB");
        self.function
            .set_attribute(attribute, bytes)
            .map_err(|error| of_driver(error, &format!("kernel {name} cannot have {shared} bytes of shared memory")))?;
        self.shared = shared;
        Ok(())
    }
}
