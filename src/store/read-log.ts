/**
 * Who is told of reads: of a transaction function whose reads will be repeated on a newer state. Types only; where
 * nobody is told, a read pays one comparison with null.
 */
import type { Payload, Rowid } from '../btree/index.js'

/** Where an entry is: a rowid, or a record of the key's columns. */
export interface EntryPlace {
  readonly rowid: Rowid | null
  readonly key: Uint8Array | null
}

/** Bounds of a range as plain data: records of leading key columns, or of one rowid; null where it is open-ended. */
export interface PlainBounds {
  readonly lower: Uint8Array | null
  readonly isLowerOpen: boolean
  readonly upper: Uint8Array | null
  readonly isUpperOpen: boolean
  readonly reverse: boolean
}

/** Told of one iteration. */
export interface RangeLog {
  /** The iteration has come to this entry. The payload is not kept. */
  passed(payload: Payload, rowid: Rowid): void
  /** There was no further entry. Not called when somebody stopped before. */
  ended(): void
}

/** `layout` is the digest of the layout that the store had. */
export interface ReadLog {
  /** @param found the entry, which is not kept, or null if there was none */
  got(store: string, layout: number, place: EntryPlace, found: Payload | null): void
  asked(store: string, layout: number, place: EntryPlace, found: boolean): void
  /** All entries were counted. */
  counted(store: string, layout: number, count: number): void
  /** An iteration begins. */
  rangeBegan(store: string, layout: number, bounds: PlainBounds): RangeLog
}
