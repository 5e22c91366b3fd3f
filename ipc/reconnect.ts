/**
 * When a client may try to connect again, and when to start a writer process. Trying is cheap where no socket is (one
 * lstat) but is asked for with every write, so attempts keep a distance. A writer process that wants nothing to do
 * with this client (another version, another file) is asked again seldom, as it writes a line into its log each time.
 * One that is started anew and dies at once is started ever more seldom.
 */

const ATTEMPT_DISTANCE_MS = 200
const REFUSED_DISTANCE_MS = 5000
const START_DISTANCE_MIN_MS = 1000
const START_DISTANCE_MAX_MS = 30_000

export class ReconnectPace {
  #nextAttemptMs = Number.NEGATIVE_INFINITY
  #nextStartMs = Number.NEGATIVE_INFINITY
  #startDistanceMs = START_DISTANCE_MIN_MS

  mayAttempt(nowMs: number): boolean {
    return nowMs >= this.#nextAttemptMs
  }

  /** An attempt begins, or a connection has ended. */
  attempted(nowMs: number): void {
    this.#nextAttemptMs = nowMs + ATTEMPT_DISTANCE_MS
  }

  refused(nowMs: number): void {
    this.#nextAttemptMs = nowMs + REFUSED_DISTANCE_MS
  }

  connected(): void {
    this.#startDistanceMs = START_DISTANCE_MIN_MS
  }

  /** Somebody waits for the connection: the next attempt need not keep its distance. */
  hurry(): void {
    this.#nextAttemptMs = Number.NEGATIVE_INFINITY
  }

  /** Whether a writer process may be started now; counts as started then. */
  takeStart(nowMs: number): boolean {
    if (nowMs < this.#nextStartMs) return false
    this.#nextStartMs = nowMs + this.#startDistanceMs
    this.#startDistanceMs = Math.min(this.#startDistanceMs * 2, START_DISTANCE_MAX_MS)
    return true
  }
}
