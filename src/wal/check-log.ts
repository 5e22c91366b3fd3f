/**
 * The log and the wal-index against each other, up to the end mark of a held snapshot: every frame verifies by salts and
 * checksum, the wal-index has its page number, and the hash leads to it; the last one is the commit that the header names.
 *
 * On a slot of 1 to 4 the log stands still up to that end mark (SNAP-2). On READ(0) a writer may start it over at any
 * moment: then what was found is believed only if the header is still the same at the end. Pauses every few frames.
 */
import { EndmarkError, whatOf } from '../errors.js'
import {
  BACKFILL_OFFSET,
  BLOCK_SIZE,
  blockOfFrame,
  type FrameFields,
  frameBeforeBlock,
  frameOffset,
  HASH_TABLE_OFFSET,
  HEADER,
  pageNumbersOffset,
  type WalChecksum,
} from '../format/index.js'
import { type FrameNumber, frameNumber, NO_FRAME, pageNumber } from '../units.js'
import { MAIN_FILE_SLOT } from './read-mark.js'
import { validFrames } from './recovery.js'
import type { Snapshot } from './snapshot.js'
import type { Wal } from './wal.js'

/** Something that is wrong with the log or the wal-index; `offset` counts from the start of the file. */
export interface LogFinding {
  readonly file: string
  readonly page: number | null
  readonly offset: number | null
  readonly what: string
}

const FRAMES_PER_STEP = 16
/** More would say nothing new: a damaged log or wal-index is rebuilt as a whole. */
const FINDINGS_MAX = 100

export function* checkLog(wal: Wal, snapshot: Snapshot): Generator<void, readonly LogFinding[], void> {
  if (snapshot.endMark === NO_FRAME) return []
  const check = new LogCheck(wal, snapshot)
  yield* check.run()
  return snapshot.slot !== MAIN_FILE_SLOT || wal.index.isCurrent(snapshot.header) ? check.findings : []
}

class LogCheck {
  readonly findings: LogFinding[] = []
  readonly #wal: Wal
  readonly #snapshot: Snapshot

  constructor(wal: Wal, snapshot: Snapshot) {
    this.#wal = wal
    this.#snapshot = snapshot
  }

  *run(): Generator<void, void, void> {
    const { header } = this.#snapshot
    const logHeader = this.#wal.log.readHeader()
    if (logHeader === null) {
      this.#ofLog(0, `no valid header, where the wal-index has ${header.endMark} frames`)
      return
    }
    if (logHeader.salt1 !== header.salt1 || logHeader.salt2 !== header.salt2) {
      this.#ofLog(0, 'the salts are not those of the wal-index')
      return
    }
    this.#checkBackfill()
    try {
      yield* this.#checkFrames(validFrames(this.#wal, logHeader))
    } catch (error) {
      if (!(error instanceof EndmarkError) || error.code !== 'ENDMARK_CORRUPT') throw error
      const { file = this.#wal.log.path, page = null, offset = null } = error
      this.findings.push({ file, page, offset, what: whatOf(error) })
    }
  }

  #checkBackfill(): void {
    const { index } = this.#wal
    const { header } = this.#snapshot
    const { backfill } = index
    if (backfill <= header.endMark || !index.isCurrent(header)) return
    this.#ofIndex(BACKFILL_OFFSET, `${backfill} frames backfilled of ${header.endMark}`)
  }

  *#checkFrames(frames: ReturnType<typeof validFrames>): Generator<void, void, void> {
    const { endMark } = this.#snapshot
    let last = NO_FRAME
    for (const { frame, fields, sums } of frames) {
      this.#checkFrame(frame, fields)
      last = frame
      if (frame === endMark) this.#checkCommit(frame, fields, sums)
      if (frame === endMark || this.findings.length >= FINDINGS_MAX) return
      if (frame % FRAMES_PER_STEP === 0) yield
    }
    const next = frameNumber(last + 1)
    const what = `frame ${next} does not verify, where the wal-index has ${endMark} frames`
    this.#ofLog(frameOffset(next, this.#wal.pageSize), what)
  }

  #checkFrame(frame: FrameNumber, fields: FrameFields): void {
    const { index } = this.#wal
    const block = blockOfFrame(frame)
    const page = pageNumber(fields.pageNumber)
    const known = index.pageOfFrame(frame)
    if (known !== page) {
      const position = frame - frameBeforeBlock(block) - 1
      const offset = block * BLOCK_SIZE + pageNumbersOffset(block) + 4 * position
      this.#ofIndex(offset, `frame ${frame} is one of page ${known}, in the log one of page ${page}`)
    } else if (!index.isInHash(frame, page)) {
      const what = `the hash does not lead from page ${page} to frame ${frame}`
      this.#ofIndex(block * BLOCK_SIZE + HASH_TABLE_OFFSET, what)
    }
  }

  /** The frame at the end mark. */
  #checkCommit(frame: FrameNumber, { commitMark }: FrameFields, { s0, s1 }: WalChecksum): void {
    const { header } = this.#snapshot
    if (commitMark !== header.pageCount) {
      const what = `frame ${frame} has commit mark ${commitMark}, where the wal-index has ${header.pageCount} pages`
      this.#ofLog(frameOffset(frame, this.#wal.pageSize), what)
    }
    if (s0 !== header.frameChecksum1 || s1 !== header.frameChecksum2) {
      this.#ofIndex(HEADER.frameChecksum1, `the checksum of frame ${frame} is another one in the log`)
    }
  }

  #ofLog(offset: number, what: string): void {
    this.findings.push({ file: this.#wal.log.path, page: null, offset, what })
  }

  #ofIndex(offset: number, what: string): void {
    this.findings.push({ file: this.#wal.index.file.path, page: null, offset, what })
  }
}
