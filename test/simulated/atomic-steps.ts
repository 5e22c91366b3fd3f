/**
 * Makes every atomic load and store of this thread a step point: `WalIndex` does all that it shares with others by
 * `Atomics`, so that a schedule can let others run between any two words of a header.
 */

export type AtomicOperation = 'load' | 'store'

/** Calls `step` before each load and store; what it throws is thrown by them. @returns what ends that */
export function stepAtomics(step: (operation: AtomicOperation) => void): () => void {
  const { load, store } = Atomics
  // One signature stands for the overloads of both: what is passed on is passed on as it came.
  const stepped =
    <Parameters extends unknown[], Result>(operation: AtomicOperation, call: (...parameters: Parameters) => Result) =>
    (...parameters: Parameters): Result => {
      step(operation)
      return call(...parameters)
    }
  Object.assign(Atomics, { load: stepped('load', load), store: stepped('store', store) })
  return () => {
    Object.assign(Atomics, { load, store })
  }
}
