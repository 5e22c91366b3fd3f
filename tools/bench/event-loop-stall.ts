/** How late the event loop of this process was for others. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 1

export class EventLoopStall {
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  start(): void {
    this.#delays.enable()
  }

  stop(): void {
    this.#delays.disable()
  }

  get p99Ms(): number {
    return stallOf(this.#delays.percentile(99))
  }

  get worstMs(): number {
    return stallOf(this.#delays.max)
  }
}

/** The histogram holds the nanoseconds between two looks, which are the resolution apart if nobody is late. */
function stallOf(betweenLooks: number): number {
  return Math.max(0, betweenLooks / 1e6 - RESOLUTION_MS)
}
