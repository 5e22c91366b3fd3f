/**
 * The file header as the log has it, for whoever opens a database whose main file does not say what it is. Page 1 of the main file
 * may be damaged, by a checkpoint that was cut short for one, while a newer one stands in the log: it is what everybody reads,
 * and the next checkpoint mends the main file with it. SQLite goes by it as well.
 *
 * Only a committed page 1 counts, in a log that verifies from its first frame on, and only if its page size is that of the log.
 * What it says is for opening the files; whoever reads the newest state checks page 1 of that once more (`Pager.verify`).
 *
 * @requires lock shared on the main file: the log is not removed meanwhile
 */
import { corrupt } from '../errors.js'
import {
  decodeFileHeader,
  FILE_HEADER_SIZE,
  type FileHeader,
  FRAME_HEADER_SIZE,
  frameOffset,
  type WalHeader,
} from '../format/index.js'
import { type FrameNumber, NO_FRAME } from '../units.js'
import { framesOf } from './recovery.js'
import type { WalFile } from './wal-file.js'

/**
 * @param mainPath for messages
 * @returns null if the log has no page 1
 * @throws ENDMARK_UNSUPPORTED, ENDMARK_CORRUPT, ENDMARK_NOT_A_DATABASE: what page 1 of the log says
 */
export function headerInLog(log: WalFile, mainPath: string): FileHeader | null {
  const logHeader = log.readHeader()
  if (logHeader === null) return null
  const { pageSize } = logHeader
  const frame = lastPageOne(log, logHeader)
  if (frame === NO_FRAME) return null
  const bytes = new Uint8Array(FILE_HEADER_SIZE)
  const length = log.file.read(bytes, frameOffset(frame, pageSize) + FRAME_HEADER_SIZE)
  const header = decodeFileHeader(bytes.subarray(0, length), mainPath)
  if (header.pageSize === pageSize) return header
  const what = `page 1 in frame ${frame} says ${header.pageSize} bytes per page, the header of the log ${pageSize}`
  throw corrupt({ file: log.path, page: 1, what })
}

/** The newest committed frame of page 1. */
function lastPageOne(log: WalFile, logHeader: WalHeader): FrameNumber {
  let newest = NO_FRAME
  let committed = NO_FRAME
  for (const { frame, fields } of framesOf(log, logHeader)) {
    if (fields.pageNumber === 1) newest = frame
    if (fields.commitMark !== 0) committed = newest
  }
  return committed
}
