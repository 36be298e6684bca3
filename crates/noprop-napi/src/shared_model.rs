//! A model that a run replaces by a trained one when it ends, until it is disposed of.

use noprop_core::inference::Session;
use noprop_core::{Code, Error, Model, Result};
use std::sync::{Arc, PoisonError, RwLock};

/// Shared by the JavaScript object and the work that it has begun. Work that has the model keeps it to its end.
#[derive(Clone)]
pub struct SharedModel(Arc<RwLock<Option<Arc<Session>>>>);

impl From<Model> for SharedModel {
    fn from(model: Model) -> Self {
        Self(Arc::new(RwLock::new(Some(session(model)))))
    }
}

impl SharedModel {
    /// # Errors
    /// [`Code::Disposed`].
    pub fn session(&self) -> Result<Arc<Session>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(disposed)
    }

    /// # Errors
    /// [`Code::Disposed`].
    pub fn get(&self) -> Result<Arc<Model>> {
        Ok(self.session()?.model().clone())
    }

    /// Puts another model in its place.
    ///
    /// # Errors
    /// [`Code::Disposed`], or what `make` returns.
    pub fn replace(&self, make: impl FnOnce(&Model) -> Result<Model>) -> Result<()> {
        let mut model = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let other = make(model.as_ref().ok_or_else(disposed)?.model())?;
        *model = Some(session(other));
        Ok(())
    }

    /// Lets go of the model. May be called again.
    pub fn dispose(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn session(model: Model) -> Arc<Session> {
    Arc::new(Session::new(Arc::new(model)))
}

fn disposed() -> Error {
    Error::new(Code::Disposed, "the model was disposed of").hint("load it or make it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use noprop_core::config::from_json;

    #[test]
    fn after_dispose_there_is_no_model_but_for_the_work_that_has_it() {
        let json = r#"{"input":[2],"classes":[0,1],"blocks":1,"net":{"type":"mlp","hidden":[2]}}"#;
        let model = || Model::new(from_json(json).unwrap()).unwrap();
        let shared = SharedModel::from(model());
        let held = shared.get().unwrap();
        shared.replace(|_| Ok(model())).unwrap();
        assert!(!Arc::ptr_eq(&held, &shared.get().unwrap()));
        shared.dispose();
        shared.dispose();
        assert_eq!(shared.get().err().unwrap().code, Code::Disposed);
        assert_eq!(shared.replace(|_| Ok(model())).unwrap_err().code, Code::Disposed);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
