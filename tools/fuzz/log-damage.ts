/**
 * Damage of a log: its header, the headers of its frames, the pages in them, whole frames. Most are sealed again, so that the
 * damage gets past the salts and the checksums as a writer's would that had gone mad.
 */
import { checksum, type Sums } from '../../test/support/independent-wal-reader.js'
import type { Random } from '../../test/support/random.js'
import { damageBytes, damageNumber, getNumber } from './byte-damage.js'
import { damagePage } from './main-damage.js'

const HEADER_SIZE = 32
const FRAME_HEADER_SIZE = 24
/** Magic, version, page size, sequence, salts. */
const HEADER_FIELDS = [0, 4, 8, 12, 16, 20]
const FILE_HEADER_SIZE = 100

export function damageLog(original: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = original.slice()
  for (let count = random.between(1, 4); count > 0; count--) bytes = damageOnce(bytes, random)
  if (random.below(5) > 0) sealLog(bytes)
  return bytes
}

function damageOnce(bytes: Uint8Array, random: Random): Uint8Array {
  const frameSize = frameSizeOf(bytes)
  const count = Math.floor((bytes.length - HEADER_SIZE) / frameSize)
  if (count < 1) return bytes
  const frameAt = (index: number) => bytes.subarray(HEADER_SIZE + index * frameSize).subarray(0, frameSize)
  const frame = frameAt(random.below(count))
  const page = frame.subarray(FRAME_HEADER_SIZE)
  switch (random.below(8)) {
    case 0:
      damageNumber(bytes, [random.pick(HEADER_FIELDS), 4], random, [512, 1024, 65536])
      return bytes
    case 1:
      // The page that it holds, or the size of the database after it.
      damageNumber(frame, [4 * random.below(2), 4], random, [0, 1, count, random.below(1000)])
      return bytes
    case 2:
      frame.set(frameAt(random.below(count)))
      return bytes
    case 3:
      return bytes.slice(
        0,
        random.below(4) === 0 ? random.below(bytes.length) : HEADER_SIZE + random.below(count) * frameSize,
      )
    case 4:
      damageBytes(bytes, random)
      return bytes
    default:
      damagePage(page, getNumber(frame, 0, 4) === 1 ? FILE_HEADER_SIZE : 0, random.between(1, 200), random)
      return bytes
  }
}

/** Gives every frame the salts of the header, and right checksums to all. */
export function sealLog(bytes: Uint8Array): void {
  if (bytes.length < HEADER_SIZE) return
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const isBigEndian = (buffer.readUInt32BE(0) & 1) === 1
  let sums = checksum(buffer.subarray(0, 24), isBigEndian, [0n, 0n])
  putSums(buffer, 24, sums)
  const frameSize = frameSizeOf(bytes)
  for (let at = HEADER_SIZE; at + frameSize <= buffer.length; at += frameSize) {
    buffer.copy(buffer, at + 8, 16, 24)
    const image = buffer.subarray(at + FRAME_HEADER_SIZE, at + frameSize)
    sums = checksum(image, isBigEndian, checksum(buffer.subarray(at, at + 8), isBigEndian, sums))
    putSums(buffer, at + 16, sums)
  }
}

function putSums(buffer: Buffer, at: number, [first, second]: Sums): void {
  buffer.writeUInt32BE(Number(first), at)
  buffer.writeUInt32BE(Number(second), at + 4)
}

function frameSizeOf(log: Uint8Array): number {
  const size = getNumber(log, 8, 4)
  return FRAME_HEADER_SIZE + (size >= 512 && size <= 65536 && size % 512 === 0 ? size : 512)
}
