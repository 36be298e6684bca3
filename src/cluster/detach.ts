/** The reason of an abort that leaves a run to its workers, instead of cancelling it. */
export const DETACH = Symbol.for('noprop.detach')
