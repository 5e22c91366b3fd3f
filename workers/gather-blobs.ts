/**
 * Prepares values that were read for their way to another thread, so that their bytes move instead of being copied: blobs
 * with a buffer of their own go along as they are, small ones, which lie in Node's pool, are put side by side into one buffer.
 * (Cloned, each of those would take the whole piece of the pool with it.)
 *
 * Looks at the values themselves and at the columns of rows: blobs are found nowhere else.
 */

/** @param values fresh ones, which nobody else has; changed in place. @returns the buffers to move */
export function gatherBlobs(values: unknown[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = []
  const small: Place[] = []
  let size = 0
  visitBlobs(values, (holder, key, blob) => {
    if (blob.byteLength === blob.buffer.byteLength) {
      if (blob.buffer instanceof ArrayBuffer && blob.byteLength > 0) buffers.push(blob.buffer)
      return
    }
    small.push({ holder, key, blob })
    size += blob.byteLength
  })
  if (size === 0) return buffers
  buffers.push(placeTogether(small, size))
  return buffers
}

interface Place {
  readonly holder: Record<PropertyKey, unknown>
  readonly key: PropertyKey
  readonly blob: Uint8Array
}

function visitBlobs(
  values: unknown[],
  visit: (holder: Record<PropertyKey, unknown>, key: PropertyKey, blob: Uint8Array) => void,
): void {
  // An array is written to like any other object here.
  const anyObject: object = values
  const list = anyObject as Record<PropertyKey, unknown>
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value instanceof Uint8Array) visit(list, i, value)
    else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const row = value as Record<PropertyKey, unknown>
      for (const name of Object.keys(row)) if (row[name] instanceof Uint8Array) visit(row, name, row[name])
    }
  }
}

function placeTogether(places: readonly Place[], size: number): ArrayBuffer {
  const gathered = new Uint8Array(size)
  let at = 0
  for (const { holder, key, blob } of places) {
    gathered.set(blob, at)
    holder[key] = gathered.subarray(at, at + blob.byteLength)
    at += blob.byteLength
  }
  return gathered.buffer
}
