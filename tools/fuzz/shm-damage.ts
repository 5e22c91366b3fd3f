/**
 * Damage of a wal-index, as a process could leave it that writes where it must not: the header, sealed again as a rule, backfill and
 * read marks, page numbers, hash slots, the length. Numbers are in the order of this machine, which tests run on.
 */
import { endianness } from 'node:os'
import { checksum } from '../../test/support/independent-wal-reader.js'
import type { Random } from '../../test/support/random.js'
import { damageBytes, strangeNumber } from './byte-damage.js'

const HEADER_SIZE = 48
const SUMMED_SIZE = 40
/** Version, change, flags and page size, end mark, page count, sums of the last frame, salts. */
const HEADER_FIELDS = [0, 8, 12, 16, 20, 24, 28, 32, 36]
/** Backfill, read marks, attempted backfill. */
const INFO_FIELDS = [96, 100, 104, 108, 112, 116, 128]
const INDEX_HEADER_SIZE = 136
const HASH_OFFSET = 16384
const IS_BIG_ENDIAN = endianness() === 'BE'

export function damageShm(original: Uint8Array, random: Random): Uint8Array {
  const bytes = original.slice()
  for (let count = random.between(1, 5); count > 0; count--) damageOnce(Buffer.from(bytes.buffer), random)
  return random.below(10) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes
}

function damageOnce(buffer: Buffer, random: Random): void {
  const frames = read32(buffer, 16)
  const put = (at: number) => {
    // A damage before this one may have made `frames` anything.
    if (at + 4 <= buffer.length) write32(buffer, at, strangeNumber(random, 4, read32(buffer, at), [frames, 4062, 4063]))
  }
  switch (random.below(5)) {
    case 0:
      put(random.pick(HEADER_FIELDS))
      if (random.below(8) > 0) sealIndexHeader(buffer)
      break
    case 1:
      put(random.pick(INFO_FIELDS))
      break
    case 2:
      // Among the frames that there are, as a rule.
      put(INDEX_HEADER_SIZE + 4 * random.below(random.below(4) === 0 ? 4062 : frames + 1))
      break
    case 3:
      damageBytes(buffer.subarray(HASH_OFFSET, 2 * HASH_OFFSET), random)
      break
    default:
      damageBytes(buffer.subarray(0, INDEX_HEADER_SIZE), random)
  }
}

/** Both copies of the header as the first is, with a right checksum. */
export function sealIndexHeader(buffer: Buffer): void {
  const [first, second] = checksum(buffer.subarray(0, SUMMED_SIZE), IS_BIG_ENDIAN, [0n, 0n])
  write32(buffer, SUMMED_SIZE, Number(first))
  write32(buffer, SUMMED_SIZE + 4, Number(second))
  buffer.copy(buffer, HEADER_SIZE, 0, HEADER_SIZE)
}

function read32(buffer: Buffer, at: number): number {
  return IS_BIG_ENDIAN ? buffer.readUInt32BE(at) : buffer.readUInt32LE(at)
}

function write32(buffer: Buffer, at: number, value: number): void {
  if (IS_BIG_ENDIAN) buffer.writeUInt32BE(value, at)
  else buffer.writeUInt32LE(value, at)
}
