/**
 * How long the event loop of this process kept others waiting: by the engine, by the work of the demo itself, which is cut into
 * small slices for this reason, by the garbage collector, or because more processes wanted to run than there are cores.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 5

export class EventLoopStall {
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  /** From now on. */
  start(): void {
    this.#delays.enable()
  }

  get maxMs(): number {
    return stallOf(this.#delays.max)
  }

  get p99Ms(): number {
    return stallOf(this.#delays.percentile(99))
  }
}

/** The histogram holds the nanoseconds between two looks, which are the resolution apart if nobody is late. */
function stallOf(betweenLooks: number): number {
  return Math.max(0, betweenLooks / 1e6 - RESOLUTION_MS)
}
