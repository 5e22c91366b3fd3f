/** Clocks of tasks. */

/** How long a loop is, at what rate, and how long it runs before that is counted. */
export interface LoopTime {
  readonly warmUpSeconds: number
  readonly seconds: number
}

/** Times are in milliseconds since 1970, fractions included: the same in all processes. */
export function sharedNow(): number {
  return performance.timeOrigin + performance.now()
}

export async function waitUntil(sharedTime: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, sharedTime - sharedNow()))
}

/**
 * @param batch does some of the work, and says how much
 * @returns work per second, after the warm-up
 */
export async function rateOf(
  batch: () => number | Promise<number>,
  { warmUpSeconds, seconds }: LoopTime,
): Promise<number> {
  await loop(batch, warmUpSeconds)
  return loop(batch, seconds)
}

async function loop(batch: () => number | Promise<number>, seconds: number): Promise<number> {
  const begun = performance.now()
  let [done, elapsedMs] = [0, 0]
  while (elapsedMs < seconds * 1000) {
    const amount = batch()
    done += typeof amount === 'number' ? amount : await amount
    elapsedMs = performance.now() - begun
  }
  return (done / elapsedMs) * 1000
}
