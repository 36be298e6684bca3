//! Runs that could only fail without a word are refused.

use super::*;
use crate::error::Code;

fn refused(config: ModelConfig, batch: Option<usize>, data: &Arc<Dataset>) -> Option<crate::Error> {
    let options = FitOptions { batch, ..options(1) };
    Plan::new(config.check().unwrap(), options, data.clone()).err()
}

#[test]
fn batch_norm_over_single_samples_is_refused_and_says_what_to_do() {
    let error = refused(cnn(2), Some(1), &images(6)).unwrap();
    assert_eq!(error.code, Code::Option);
    assert!(error.what.contains("batch norm needs at least 2 samples a batch"), "{error}");
    assert!(
        error.expected.contains("batch") && error.hint.contains("larger batch") && error.hint.contains("mlp"),
        "{error}"
    );
    // Whether the batch was said to be 1 or there is no more data.
    for batch in [None, Some(1)] {
        let error = refused(cnn(2), batch, &images(1)).unwrap();
        assert_eq!((error.code, &error.received[..]), (Code::Option, "1 training sample"));
        assert!(error.hint.contains("more data"), "{error}");
    }
}

#[test]
fn single_samples_are_fine_without_batch_norm_and_as_the_rest_of_an_epoch() {
    assert_eq!(refused(mlp(2), Some(1), &vectors(5)), None);
    assert_eq!(refused(mlp(2), None, &vectors(1)), None);
    assert_eq!(refused(cnn(2), Some(4), &images(5)), None);
    let plan = plan(cnn(1), options(4), &images(5));
    assert_eq!(plan.samples_of(1), 1);
    let trained = job(&plan, 1, u64::MAX);
    assert!(trained.progress.losses.iter().all(|loss| loss.is_finite()), "{:?}", trained.progress.losses);
}
