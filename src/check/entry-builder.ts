/**
 * The entry that an index must have for a row: a record put together from the row's own bytes, so that a text comes out
 * as it is stored, whether or not it is valid UTF-8. One builder serves any number of rows, one at a time.
 */
import {
  encodeRecord,
  highHalf,
  lowHalf,
  put32,
  putVarint,
  RecordShape,
  serialTypeSize,
  varintSizeOf,
} from '../format/index.js'
import type { Column, EntrySource, Payload, Rowid } from '../store/index.js'

/** Serial type of a 64-bit integer. */
const SERIAL_INT64 = 6

/** A record and where its columns are. */
export interface KnownRecord {
  readonly payload: Payload
  readonly shape: RecordShape
}

export class EntryBuilder {
  /** The entry, from the start; how long it is `build` says. */
  bytes = new Uint8Array(256)
  readonly #sources: readonly EntrySource[]
  /** By place in the table's record. */
  readonly #columns: readonly Column[]
  readonly #rowidBytes = new Uint8Array(8)
  /** Of each column of the entry: serial type, and where its content is. */
  readonly #types: number[] = []
  readonly #contents: Uint8Array[] = []
  readonly #offsets: number[] = []

  constructor(sources: readonly EntrySource[], columns: readonly Column[]) {
    this.#sources = sources
    this.#columns = columns
  }

  /**
   * @param entry that of the row in the index, if it is there already: columns that are not to be had from the row are taken
   *   from it
   * @returns the length of the entry, or -1 if it depends on what is not known
   */
  build(shape: RecordShape, { bytes }: Payload, rowid: Rowid, entry: KnownRecord | null = null): number {
    let headerSize = 0
    let bodySize = 0
    for (let i = 0; i < this.#sources.length; i++) {
      const source = this.#sources[i]!
      if (source === null) {
        if (entry === null) return -1
        this.#set(i, entry.shape.types[i]!, entry.payload.bytes, entry.shape.offsets[i]!)
      } else if (source === 'rowid') this.#setRowid(i, rowid)
      else if (source < shape.count) this.#set(i, shape.types[source]!, bytes, shape.offsets[source]!)
      else if (!this.#setDefault(i, this.#columns[source]!)) return -1
      headerSize += varintSizeOf(this.#types[i]!)
      bodySize += serialTypeSize(this.#types[i]!)
    }
    headerSize += varintSizeOf(headerSize + 1)
    this.#reserve(headerSize + bodySize)
    this.#write(headerSize)
    return headerSize + bodySize
  }

  #write(headerSize: number): void {
    const entry = this.bytes
    let header = putVarint(entry, 0, headerSize)
    let body = headerSize
    for (let i = 0; i < this.#sources.length; i++) {
      const type = this.#types[i]!
      const size = serialTypeSize(type)
      header = putVarint(entry, header, type)
      entry.set(this.#contents[i]!.subarray(this.#offsets[i]!, this.#offsets[i]! + size), body)
      body += size
    }
  }

  #set(index: number, type: number, content: Uint8Array, offset: number): void {
    this.#types[index] = type
    this.#contents[index] = content
    this.#offsets[index] = offset
  }

  #setRowid(index: number, rowid: Rowid): void {
    put32(this.#rowidBytes, 0, highHalf(rowid))
    put32(this.#rowidBytes, 4, lowHalf(rowid))
    this.#set(index, SERIAL_INT64, this.#rowidBytes, 0)
  }

  /** Rows from before a column was added have its default. @returns false if that would have to be computed */
  #setDefault(index: number, { defaultValue }: Column): boolean {
    if (defaultValue === undefined) return false
    const record = encodeRecord([defaultValue])
    const shape = new RecordShape().read(record, 0, record.length)
    this.#set(index, shape.types[0]!, record, shape.offsets[0]!)
    return true
  }

  #reserve(size: number): void {
    if (size > this.bytes.length) this.bytes = new Uint8Array(2 * size)
  }
}
