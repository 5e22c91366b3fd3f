/** Faults put into a copy of the engine, one at a time, each of which a sweep must find: as `mutations.ts` for the schedules. */
import type { Trouble } from './fault-sweep.js'
import type { Edit } from './mutations.js'

/** The crash sweep, or the fault sweep with this trouble. */
export type SweepKind = 'the power is cut' | Trouble

export interface SweepMutation {
  readonly title: string
  /** What it breaks. */
  readonly invariant: string
  /** What brings it to light. */
  readonly foundBy: SweepKind
  readonly edits: readonly Edit[]
}

const LOG_APPEND = 'wal/log-append.js'

export const SWEEP_MUTATIONS: readonly SweepMutation[] = [
  {
    title: 'nothing is erased after a failed sync',
    invariant: 'DUR-3',
    foundBy: 'fails once',
    edits: [
      {
        file: LOG_APPEND,
        from: 'yield* this.#wal.syncLog(options); } catch (error) { this.#eraseFrame(batch.first);',
        to: 'yield* this.#wal.syncLog(options); } catch (error) {',
      },
    ],
  },
  {
    title: 'nothing is erased after a failed write',
    invariant: 'DUR-3',
    foundBy: 'fails once',
    edits: [
      {
        file: LOG_APPEND,
        from: 'this.#growPast(last); } catch (error) { this.#eraseFrame(first);',
        to: 'this.#growPast(last); } catch (error) {',
      },
    ],
  },
  {
    title: 'frames written over in place keep the checksum they had',
    invariant: 'TXN-9',
    foundBy: 'the power is cut',
    edits: [{ file: LOG_APPEND, from: 'spill?.seal();', to: '' }],
  },
  {
    title: 'checksums are made right from behind the first frame that was overwritten',
    invariant: 'TXN-9',
    foundBy: 'the power is cut',
    edits: [
      {
        file: 'wal/log-spill.js',
        from: 'let frame = this.#firstOverwritten; frame <= this.end;) {',
        to: 'let frame = this.#firstOverwritten + 1; frame <= this.end;) {',
      },
    ],
  },
  {
    title: 'a checkpoint copies the log without syncing it',
    invariant: 'WAL-3',
    foundBy: 'the power is cut',
    edits: [{ file: 'wal/backfill.js', from: 'if (isSynced) yield* wal.syncLog({ forCheckpoint: true });', to: '' }],
  },
  {
    title: 'a recovery does not sync what it found',
    invariant: 'WAL-8',
    foundBy: 'is cut short by a kill',
    edits: [{ file: 'wal/recovery.js', from: 'runSync(wal.syncLog());', to: '' }],
  },
  {
    title: 'a last close ends at the first file that it cannot close',
    invariant: 'LOCK-2',
    foundBy: 'fails once',
    edits: [
      {
        file: 'wal/attach.js',
        from: 'try { step(); } catch (error) { failure ??= error; }',
        to: 'try { if (failure === null) step(); } catch (error) { failure ??= error; }',
      },
    ],
  },
]
