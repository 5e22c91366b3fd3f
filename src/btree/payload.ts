/**
 * Where a payload lies: a view of a page, or of an array made for it when an overflow chain had to be put
 * together. Valid until the next operation on the same pages; callers that keep it must copy, unless it is owned.
 */
export class Payload {
  bytes: Uint8Array = new Uint8Array(0)
  start = 0
  length = 0
  /** The bytes belong to whoever reads this payload: parts of them may be handed out as they are. */
  isOwned = false

  set(bytes: Uint8Array, start: number, length: number): void {
    this.bytes = bytes
    this.start = start
    this.length = length
    this.isOwned = false
  }

  setOwned(bytes: Uint8Array, start: number, length: number): void {
    this.set(bytes, start, length)
    this.isOwned = true
  }
}
