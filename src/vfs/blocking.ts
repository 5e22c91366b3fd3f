/**
 * Work that has to wait here and there (for a lock, for the disk), written once and driven either way. A
 * `Blocking<T>` is a generator that yields its waits as steps: `runAsync` awaits each step, so that the event
 * loop stays free; `runSync` blocks the calling thread in it. Everything between two steps runs without a
 * pause, and other work of this thread can run only inside a step of `runAsync`.
 *
 * A step that fails throws its error out of the `yield`, so the generator's own `finally` blocks release what
 * they hold, in both modes alike. Compose with `yield*`.
 */
import type { Vfs, VfsFile } from './vfs.js'

export interface BlockingStep {
  /** Waits by blocking the calling thread. */
  sync(): void
  /** Waits off the event loop. */
  async(): Promise<void>
}

export type Blocking<T> = Generator<BlockingStep, T, void>

/** Runs all of it now, blocking the calling thread in each step. */
export function runSync<T>(steps: Blocking<T>): T {
  let result = steps.next()
  while (!result.done) {
    let failure: { readonly error: unknown } | undefined
    try {
      result.value.sync()
    } catch (error) {
      failure = { error }
    }
    result = failure === undefined ? steps.next() : steps.throw(failure.error)
  }
  return result.value
}

/** Runs it as far as the first step now, and the rest as the steps resolve. */
export async function runAsync<T>(steps: Blocking<T>): Promise<T> {
  return (await runCancellable(steps).done) as T
}

/** Work that `runAsync` would do, with a way to give it up between two of its steps. */
export interface CancellableRun<T> {
  /** Undefined once cancelled; rejects if the step that was cancelled failed all the same. */
  readonly done: Promise<T | undefined>
  /** Runs the `finally` blocks now; what the step under way is doing goes on, and its outcome is only reported. */
  cancel(): void
}

export function runCancellable<T>(steps: Blocking<T>): CancellableRun<T> {
  let isCancelled = false
  async function run(): Promise<T | undefined> {
    let result = steps.next()
    while (!result.done) {
      let failure: { readonly error: unknown } | undefined
      try {
        await result.value.async()
      } catch (error) {
        failure = { error }
      }
      if (isCancelled && failure !== undefined) throw failure.error
      if (isCancelled) return undefined
      result = failure === undefined ? steps.next() : steps.throw(failure.error)
    }
    return result.value
  }
  const done = run()
  return {
    done,
    cancel: () => {
      isCancelled = true
      steps.return(undefined as T)
    },
  }
}

/** Makes contents and length of `file` durable. */
export function datasyncStep(file: VfsFile): BlockingStep {
  return { sync: () => file.datasyncSync(), async: () => file.datasync() }
}

/** Waits about that long; only the async form can be cut short by `signal`. */
export function delayStep(vfs: Vfs, milliseconds: number, signal?: AbortSignal): BlockingStep {
  return { sync: () => vfs.delaySync(milliseconds), async: () => vfs.delay(milliseconds, signal) }
}
