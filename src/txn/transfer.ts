/**
 * What a function that ran in a reader thread gives back without its being copied: buffers change hands. Only what the function
 * names itself, since the module may keep a buffer that it returns, and would find it empty the next time.
 *
 * Recognised by a registered symbol, as a module may have got this file from another copy of the package.
 */
const TRANSFER = Symbol.for('endmark.transfer')

/** A result with the buffers that go along. */
export interface Transfer<Value> {
  readonly [TRANSFER]: true
  readonly value: Value
  readonly buffers: readonly ArrayBuffer[]
}

/**
 * In a module for `pool.run` or `pool.scan`: return `transfer(result, buffers)` instead of `result`, and these buffers, which
 * the result has views of, move to the caller's thread instead of being copied. They are empty here afterwards.
 */
export function transfer<Value>(value: Value, buffers: readonly ArrayBuffer[]): Transfer<Value> {
  return { [TRANSFER]: true, value, buffers }
}

export function isTransfer(result: unknown): result is Transfer<unknown> {
  return typeof result === 'object' && result !== null && TRANSFER in result
}
