import type { Dataset, EvaluateResult, NoProp, SamplerOptions } from '../index.js'
import { chooseSamples, evenly } from './choose.js'
import type { Denoising } from './document.js'

/** Placeholder until states arrive. */
export async function denoisingOf(
  _model: NoProp,
  _dataset: Dataset,
  _evaluation: EvaluateResult,
  _sampler: SamplerOptions,
  _signal: AbortSignal | undefined,
): Promise<Denoising | string> {
  void chooseSamples
  void evenly
  return 'pending'
}
