/**
 * The shape of a record: the serial type of each column and where its content lies, all of it checked against the record's
 * size, nothing decoded. For those who look at every record and need few of the values.
 *
 * Stricter than `RecordReader`, which reads as much as it is asked for: the contents must fill the record to its last byte.
 */
import { DamagedRecord, damagedColumn, damagedHeader, serialTypeSize } from './record.js'
import { getVarint, varintSize } from './varint.js'

export class RecordShape {
  /** Columns of the record. What the arrays hold beyond is left from records before. */
  count = 0
  readonly types: number[] = []
  /** Where the content of each column starts, in the array that was given. */
  readonly offsets: number[] = []

  /** @throws DamagedRecord */
  read(bytes: Uint8Array, start: number, length: number): this {
    const headerSize = length < 1 ? 0 : getVarint(bytes, start)
    let header = start + varintSize(bytes, start)
    const headerEnd = start + headerSize
    if (headerSize > length || header > headerEnd) throw damagedHeader(headerSize, length)
    const end = start + length
    let body = headerEnd
    let count = 0
    for (; header < headerEnd; count++) {
      const type = getVarint(bytes, header)
      header += varintSize(bytes, header)
      if (header > headerEnd) throw new DamagedRecord(`serial type ${count} runs past the record header`)
      const size = serialTypeSize(type)
      if (size > end - body) throw damagedColumn(count, type)
      this.types[count] = type
      this.offsets[count] = body
      body += size
    }
    if (body !== end) throw new DamagedRecord(`record of ${length} bytes, of which its columns take ${body - start}`)
    this.count = count
    return this
  }
}
