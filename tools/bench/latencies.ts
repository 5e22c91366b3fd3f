/**
 * A histogram of latencies that can be sent to another process and added up there, which those of `perf_hooks` cannot. The buckets are
 * the upper bits of a 32-bit float: sign, exponent and six bits of the fraction, so that each is 1.6% wide at most, over the whole
 * range. The longest latency is kept exactly.
 */
const DROPPED_BITS = 17
const BUCKET_COUNT = 1 << (31 - DROPPED_BITS)

/** 0, then halfway to all again and again, in five steps each, up to one in 16,000. */
const CURVE_SHARES = Array.from({ length: 71 }, (_, step) => 1 - 2 ** (-step / 5))

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** What is sent. */
export interface LatencyCounts {
  readonly counts: Uint32Array
  readonly maxMs: number
}

export class Latencies {
  readonly #counts = new Uint32Array(BUCKET_COUNT)
  #maxMs = 0

  record(ms: number): void {
    float[0] = ms
    this.#counts[bits[0]! >>> DROPPED_BITS]!++
    if (ms > this.#maxMs) this.#maxMs = ms
  }

  add({ counts, maxMs }: LatencyCounts): void {
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.#counts[bucket]! += counts[bucket]!
    this.#maxMs = Math.max(this.#maxMs, maxMs)
  }

  toCounts(): LatencyCounts {
    return { counts: this.#counts, maxMs: this.#maxMs }
  }

  get maxMs(): number {
    return this.#maxMs
  }

  /** The latency in ms that this share of all calls did not exceed; 0 if there were none. */
  quantile(share: number): number {
    const total = this.#counts.reduce((sum, count) => sum + count, 0)
    let missing = Math.max(1, Math.ceil(total * share))
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      missing -= this.#counts[bucket]!
      if (missing <= 0 && total > 0) return Math.min(middleOf(bucket), this.#maxMs)
    }
    return 0
  }

  /** Latencies by the share of calls that took no longer, denser towards the slow end. */
  curve(): (readonly [share: number, ms: number])[] {
    return CURVE_SHARES.map((share) => [share, this.quantile(share)] as const)
  }
}

function middleOf(bucket: number): number {
  bits[0] = (bucket << DROPPED_BITS) | (1 << (DROPPED_BITS - 1))
  return float[0]!
}
