/** Waiting for what other processes and threads bring about: for a condition, with a deadline. */
import { setTimeout as delay } from 'node:timers/promises'

const WAIT_MAX_MS = 20_000
const LOOK_EVERY_MS = 2

/** Resolves once the condition is true; fails the test if it does not come true within `limitMs`. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  what = String(isTrue),
  limitMs = WAIT_MAX_MS,
): Promise<void> {
  for (const startMs = performance.now(); !(await isTrue()); await delay(LOOK_EVERY_MS)) {
    if (performance.now() - startMs > limitMs) throw new Error(`waited in vain for ${what}`)
  }
}
