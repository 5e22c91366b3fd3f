/**
 * Makes every atomic load and store of this thread a step point: `WalIndex` does all that it shares with others by
 * `Atomics`, so that a schedule can let others run between any two words of a header.
 */

/** Runs `work` with `step` called before each load and store; what it throws is thrown by them. */
export function withAtomicSteps<T>(step: () => void, work: () => T): T {
  const { load, store } = Atomics
  // One signature stands for the overloads of both: what is passed on is passed on as it came.
  const stepped =
    <Parameters extends unknown[], Result>(call: (...parameters: Parameters) => Result) =>
    (...parameters: Parameters): Result => {
      step()
      return call(...parameters)
    }
  Object.assign(Atomics, { load: stepped(load), store: stepped(store) })
  try {
    return work()
  } finally {
    Object.assign(Atomics, { load, store })
  }
}
