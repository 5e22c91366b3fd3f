/**
 * What has become of requests whose answer is lost with the connection: the writer process may have committed them, may be
 * about to, or be dead. Nothing is guessed (TXN-6). Under WRITE the table of client commits says which numbers are
 * committed; all others are applied right there, in their order, and the last number is put into the table in the
 * same commit. From then on a writer process that still has them, however late, finds them done.
 *
 *   in doubt ──► WRITE ──► the table knows it: its outcome
 *     ▲  │ BUSY     └────► it does not: applied now, in a savepoint of its own; all of them commit together
 *     └──┘
 *
 * That a number up to the one in the table is settled rests on this: whoever takes requests from a connection has them
 * without gaps, and handles them in their order. So none of them is passed over.
 *
 * The number is used up also by what fails or was aborted meanwhile: a writer process must not commit later what its
 * caller was told has failed. While somebody else holds WRITE, or the log is full, this waits for as long as it takes, or until the
 * Database closes, which then is told that the outcome is not known.
 */
import { EndmarkError } from '../errors.js'
import type { PageReader, WritePages } from '../pager/index.js'
import type { Operation, OperationResult } from '../store/index.js'
import type { Synchronous } from '../units.js'
import type { ClientCommits, ClientRecord } from './client-commits.js'
import type { GroupCommit } from './group-commit.js'
import type { CommitTask, PendingCommit, TransactionFunction } from './pending-commit.js'
import type { Outcome } from './request.js'
import { strongest } from './synchronous.js'
import type { Work } from './waiting-commit.js'

export interface InDoubtParts {
  readonly commits: GroupCommit
  readonly clientCommits: ClientCommits
  readonly clientId: number
  /** The newest committed state, for reading when writing fails. */
  readonly newestPages: () => PageReader
  readonly operationsWork: (operations: readonly Operation[]) => Work<OperationResult[]>
  readonly functionWork: (fn: TransactionFunction) => Work<unknown>
  /** Called after each attempt that has failed because WRITE was held or the log full. @returns whether to try again */
  readonly busy: (error: EndmarkError) => boolean
}

/** What its caller will hear. */
export type Settlement = { readonly value: unknown } | { readonly error: unknown }

/** Settles all of them, in the order of their numbers. Never rejects. */
export async function resolveInDoubt(parts: InDoubtParts, pending: readonly PendingCommit[]): Promise<void> {
  const synchronous = pending.map(({ options }) => options.synchronous).reduce(strongest)
  const failure = await tryUntilKnown(parts, pending, synchronous)
  if (failure !== null) rejectUnknown(parts, pending, failure.cause)
}

/** @returns null when all are settled, else why they could not be */
async function tryUntilKnown(
  parts: InDoubtParts,
  pending: readonly PendingCommit[],
  synchronous: Synchronous,
): Promise<{ readonly cause: unknown } | null> {
  for (;;) {
    try {
      const settlements = await parts.commits.run((pages) => settleUnderWrite(parts, pages, pending), { synchronous })
      for (const [i, settlement] of settlements.entries()) settle(pending[i]!, settlement)
      return null
    } catch (cause) {
      const isBusy =
        cause instanceof EndmarkError && (cause.code === 'ENDMARK_BUSY' || cause.code === 'ENDMARK_WAL_FULL')
      if (!isBusy || !parts.busy(cause)) return { cause }
    }
  }
}

/** @requires lock WRITE */
function settleUnderWrite(parts: InDoubtParts, pages: WritePages, pending: readonly PendingCommit[]): Settlement[] {
  const { clientCommits, clientId } = parts
  const row = clientCommits.rowOf(pages, clientId)
  const { commitNumber, outcomes } = row
  const settlements = pending.map((commit): Settlement => {
    if (commit.number > commitNumber) return applyNow(parts, pages, commit)
    const outcome = outcomes.get(commit.number)
    // What the writer process found outdated is not committed, and nobody else will do it.
    return outcome?.kind === 'conflict' ? applyNow(parts, pages, commit) : settlementOf(commit, outcome)
  })
  const last = pending.at(-1)!.number
  if (last > commitNumber) clientCommits.advance(row, last, new Map())
  return settlements
}

function applyNow(parts: InDoubtParts, pages: WritePages, commit: PendingCommit): Settlement {
  if (commit.isAborted) return ABORTED
  pages.savepoint()
  try {
    const value = workOf(parts, commit.task)(pages)
    pages.release()
    return { value }
  } catch (error) {
    pages.rollback()
    return { error }
  }
}

function workOf(parts: InDoubtParts, task: CommitTask): Work<unknown> {
  return task.fn === null ? parts.operationsWork(task.operations) : parts.functionWork(task.fn)
}

/** Stands for the AbortError of the caller's own signal. */
const ABORTED: Settlement = { error: null }

/** What an outcome means to the caller; undefined: committed, and nobody asked for results. */
export function settlementOf({ task, value }: PendingCommit, outcome: Outcome | undefined): Settlement {
  if (outcome === undefined) return { value: task.fn === null ? [] : value }
  switch (outcome.kind) {
    case 'committed':
      return { value: task.fn === null ? (outcome.results ?? []) : value }
    case 'failed':
      return { error: new EndmarkError(outcome.code, outcome.message) }
    case 'cancelled':
    case 'conflict':
      return ABORTED
  }
}

export function settle(commit: PendingCommit, settlement: Settlement): void {
  if (settlement === ABORTED) commit.rejectAborted()
  else if ('value' in settlement) commit.resolve(settlement.value)
  else commit.reject(settlement.error)
}

/**
 * WRITE could not be used: what the newest state shows as committed is so. Of the others it is not known, as the writer
 * process may yet commit them, and they say so.
 */
function rejectUnknown(parts: InDoubtParts, pending: readonly PendingCommit[], cause: unknown): void {
  const { commitNumber, outcomes } = readWhatIsKnown(parts)
  for (const commit of pending) {
    const outcome = outcomes.get(commit.number)
    if (commit.number <= commitNumber && outcome?.kind !== 'conflict') settle(commit, settlementOf(commit, outcome))
    else commit.reject(unknownOutcome(cause))
  }
}

function readWhatIsKnown({ clientCommits, clientId, newestPages }: InDoubtParts): ClientRecord {
  try {
    return clientCommits.readClient(newestPages(), clientId)
  } catch {
    return { commitNumber: 0, outcomes: new Map() }
  }
}

function unknownOutcome(cause: unknown): EndmarkError {
  const code = cause instanceof EndmarkError ? cause.code : 'ENDMARK_IO'
  const reason = cause instanceof Error ? cause.message : String(cause)
  const what = 'the writer process was lost before it answered, and whether this was committed could not be found out'
  return new EndmarkError(code, `${what}: ${reason}`, { cause })
}
