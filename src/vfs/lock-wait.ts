/**
 * Waiting for a lock that another process or thread holds: bounded polling of a try-lock. A blocking lock
 * call would park a thread of libuv's pool for as long as it waits, and four parked threads leave none for
 * the `fdatasync` that the holder needs to get on, so nobody ever would (trap (c) of the lock rules).
 *
 * Fairness: nobody queues in the kernel, so the next holder is whoever asks first after a release. Delays are
 * therefore random, and their growth starts over every `DELAYS_MS.length` attempts: someone who has waited
 * long asks, every few milliseconds, just as eagerly as a newcomer. Delays below a millisecond are a turn of
 * the event loop in async mode.
 */
import { abortError, EndmarkError } from '../errors.js'
import { type Blocking, delayStep } from './blocking.js'
import type { Vfs } from './vfs.js'

/** Mean delay before the next attempt. A refused lock costs 6 us, so one waiter stays below 0.5 % of a core. */
const DELAYS_MS = [0.06, 0.1, 0.2, 0.4, 0.8, 1, 2, 3, 5, 8] as const

export interface WaitOptions {
  readonly vfs: Vfs
  /** Milliseconds until ENDMARK_BUSY; 0 makes one attempt, Infinity never gives up. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** What is waited for, for the message of ENDMARK_BUSY: "the WRITE lock of app.db". */
  readonly what: string
}

/**
 * Calls `attempt` until it returns true; what it throws ends the wait.
 * @throws ENDMARK_BUSY at the deadline, an AbortError once `signal` is aborted
 */
export function* waitFor(attempt: () => boolean, options: WaitOptions): Blocking<void> {
  const { vfs, timeoutMs, signal } = options
  throwIfAborted(signal)
  if (attempt()) return

  const startMs = vfs.now()
  for (let attempts = 1; ; attempts++) {
    const waitedMs = vfs.now() - startMs
    if (!(waitedMs < timeoutMs)) throw busy(options, waitedMs)
    // The last delay ends at the deadline, so that the last attempt is made there and not well before it.
    yield delayStep(vfs, Math.min(delayMs(vfs, attempts), timeoutMs - waitedMs), signal)
    throwIfAborted(signal)
    if (attempt()) return
  }
}

/** Between half and one and a half times the mean, so that waiters who started together drift apart. */
function delayMs(vfs: Vfs, attempts: number): number {
  const meanMs = DELAYS_MS[(attempts - 1) % DELAYS_MS.length]!
  return meanMs * (0.5 + vfs.random32() / 2 ** 32)
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}

function busy({ what, timeoutMs }: WaitOptions, waitedMs: number): EndmarkError {
  const waited = timeoutMs > 0 ? ` after waiting ${Math.round(waitedMs)} ms (timeout ${timeoutMs} ms)` : ''
  return new EndmarkError('ENDMARK_BUSY', `${what} is held by another process or thread${waited}`)
}
