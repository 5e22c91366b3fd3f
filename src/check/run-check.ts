/**
 * Runs a check in slices of a few milliseconds, each followed by a turn of the event loop, with a look at what could end it:
 * a signal, or the Database closing.
 */
import { assertFunction, assertOptions, assertSignal, preview } from '../arguments.js'
import { abortError, EndmarkError, invalidArgument, whatOf } from '../errors.js'
import type { Vfs } from '../vfs/index.js'
import type { DatabaseCheck } from './check-database.js'
import type { Finding } from './findings.js'

/** Options of `Database.check`. */
export interface CheckOptions {
  /** Called after each few milliseconds of work. A page counts once it is known what uses it. */
  readonly progress?: (progress: CheckProgress) => void
  readonly signal?: AbortSignal
  /** The check ends after so many findings. Default 100. */
  readonly limit?: number
}

export interface CheckProgress {
  readonly totalPages: number
  readonly remainingPages: number
}

/** The outcome of `Database.check`. */
export interface CheckReport {
  /** Nothing was found. */
  readonly ok: boolean
  readonly findings: readonly Finding[]
}

const LIMIT = 100
const SLICE_MS = 4

/** The limit of these options. @throws ENDMARK_INVALID_ARGUMENT also for the others */
export function checkedLimit(options: CheckOptions): number {
  assertOptions(options, ['progress', 'signal', 'limit'])
  const { progress, signal, limit = LIMIT } = options
  if (progress !== undefined) assertFunction(progress, 'progress')
  if (!Number.isInteger(limit) || limit < 1)
    throw invalidArgument(`limit is a whole number of at least 1, not ${preview(limit)}`)
  assertSignal(signal)
  if (signal?.aborted) throw abortError(signal)
  return limit
}

interface RunOptions extends CheckOptions {
  readonly vfs: Vfs
  /** @throws once the state that is checked is no longer held */
  readonly assertHeld: () => void
}

export async function runCheck(check: DatabaseCheck, options: RunOptions): Promise<CheckReport> {
  const { vfs, signal, progress, assertHeld } = options
  const steps = check.run()
  while (!runSlice(steps, vfs)) {
    progress?.({ totalPages: check.pageCount, remainingPages: check.pageCount - check.usedCount })
    await new Promise<void>((resolve) => vfs.endOfTurn(resolve))
    if (signal?.aborted) throw abortError(signal)
    // What comes next touches pages: the files may have become shorter than a state that nobody holds.
    assertHeld()
  }
  progress?.({ totalPages: check.pageCount, remainingPages: 0 })
  return { ok: check.findings.length === 0, findings: check.findings }
}

/** @returns whether the check is done */
function runSlice(steps: Generator<void, void, void>, vfs: Vfs): boolean {
  const end = vfs.now() + SLICE_MS
  do if (steps.next().done) return true
  while (vfs.now() < end)
  return false
}

/** The report where damage keeps the state from being held at all; anything else is thrown on. */
export function reportOf(error: unknown, path: string): CheckReport {
  if (!(error instanceof EndmarkError) || error.code !== 'ENDMARK_CORRUPT') throw error
  const { file = path, page = null, offset = null } = error
  return { ok: false, findings: [{ file, page, offset, what: whatOf(error) }] }
}
