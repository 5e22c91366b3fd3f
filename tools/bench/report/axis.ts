/** Axes of plots: from values to places between 0 and 1, and where their ticks are. */
export interface Axis {
  readonly label: string
  readonly scale: 'linear' | 'log'
  /** Instead of round numbers. */
  readonly ticks?: readonly Tick[]
}

export interface Tick {
  readonly value: number
  readonly label: string
}

export interface Scale {
  readonly ticks: readonly Tick[]
  /** 0 at the low end, 1 at the high end. */
  place(value: number): number
}

const TICKS_WANTED = 6

/**
 * Fits the values and ends at ticks. A logarithmic scale takes values above 0 only.
 * @param values at least one
 */
export function scaleOf({ scale, ticks }: Axis, values: readonly number[]): Scale {
  const shown =
    ticks ?? (scale === 'log' ? logTicks(values) : linearTicks(values)).map((value) => ({ value, label: brief(value) }))
  const map = scale === 'log' ? Math.log10 : (value: number) => value
  const ends = [...shown.map(({ value }) => value), ...(ticks === undefined ? [] : values)].map(map)
  const [low, high] = [Math.min(...ends), Math.max(...ends)]
  return { ticks: shown, place: (value) => (high === low ? 0.5 : (map(value) - low) / (high - low)) }
}

/** From 0 on, in steps of 1, 2 or 5 times a power of ten. */
function linearTicks(values: readonly number[]): number[] {
  const high = Math.max(...values, Number.MIN_VALUE)
  const power = 10 ** Math.floor(Math.log10(high / TICKS_WANTED))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => high / size <= TICKS_WANTED) ?? high
  return Array.from({ length: Math.ceil(high / step) + 1 }, (_, index) => index * step)
}

/** The powers of ten around the values; between them 2 and 5 times these, where there are few. */
function logTicks(values: readonly number[]): number[] {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  const factors = high - low <= 2 ? [1, 2, 5] : [1]
  const powers = Array.from({ length: high - low }, (_, index) => low + index)
  return [...powers.flatMap((power) => factors.map((factor) => factor * 10 ** power)), 10 ** high]
}

function brief(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`
  return String(Number(value.toPrecision(3)))
}
