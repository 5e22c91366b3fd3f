/**
 * Faults put into a copy of the engine, one at a time, each of which the schedules must find. An edit replaces a piece of
 * compiled code that must be there exactly once, white space aside; when the engine changes under it, the test says so.
 */
import type { HuntOptions } from './schedule.js'

export interface Edit {
  /** In `dist/src`. */
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface Mutation {
  readonly title: string
  /** What it breaks. */
  readonly invariant: string
  readonly edits: readonly Edit[]
  /** It takes hundreds of runs to find: not for every day. */
  readonly isRare?: boolean
  /** Schedules that find it, if not those that are drawn without options. */
  readonly options?: HuntOptions
  /** No schedule finds it: this test does. */
  readonly unitTest?: UnitTest
}

export interface UnitTest {
  /** Its source, in test/wal. */
  readonly file: string
  readonly title: string
}

const BATCH_COMMIT = 'txn/batch-commit.js'
const GROUP_COMMIT = 'txn/group-commit.js'
const NO_SYNC = "if (batch.synchronous !== 'full' && batch.synchronous !== 'extra') return;"

export const MUTATIONS: readonly Mutation[] = [
  {
    title: 'a commit is published without a sync',
    invariant: 'DUR-1',
    edits: [{ file: 'wal/log-append.js', from: NO_SYNC, to: 'return;' }],
  },
  {
    title: 'a commit is published before its sync',
    invariant: 'TXN-3',
    isRare: true,
    edits: [
      { file: 'wal/log-append.js', from: NO_SYNC, to: `this.publish(batch); ${NO_SYNC}` },
      {
        file: 'wal/log-append.js',
        from: 'assert(wal.header.endMark === first - 1,',
        to: 'if (wal.header.endMark === header.endMark) return; assert(wal.header.endMark === first - 1,',
      },
    ],
  },
  {
    title: 'the header of a new log is not synced before its frames',
    invariant: 'WAL-2',
    isRare: true,
    edits: [
      {
        file: 'wal/log-append.js',
        from: "if (synchronous !== 'off' || wal.hasDurableCommits) yield* wal.syncLog();",
        to: '',
      },
    ],
  },
  {
    title: 'a checkpoint copies the log without syncing it',
    invariant: 'WAL-3',
    edits: [{ file: 'wal/backfill.js', from: 'if (isSynced) yield* wal.syncLog({ forCheckpoint: true });', to: '' }],
  },
  {
    title: 'a checkpoint publishes its backfill without syncing the main file',
    invariant: 'DUR-2',
    edits: [{ file: 'wal/backfill.js', from: 'if (isSynced) yield datasyncStep(wal.main);', to: '' }],
  },
  {
    title: 'the folder of a new log is not synced',
    invariant: 'WAL-5',
    edits: [{ file: 'wal/wal-file.js', from: 'this.#vfs.syncDirectory(this.#folder);', to: '' }],
  },
  {
    title: 'a new database gets its name before its contents are synced',
    invariant: 'DUR-1',
    edits: [{ file: 'wal/attach.js', from: 'file.datasyncSync();', to: '' }],
  },
  {
    title: 'a checkpointer does not compare the salts once it holds READ(0)',
    invariant: 'WAL-1, guard 1',
    options: { races: 'writers', losses: true },
    edits: [{ file: 'wal/backfill.js', from: 'if (!hasLiveSalts(wal, header)) return;', to: '' }],
  },
  {
    title: 'a writer restarts the log without CKPT',
    invariant: 'WAL-1, guard 2',
    options: { races: 'checkpointers', losses: true },
    edits: [
      { file: 'wal/log-restart.js', from: "if (!locks.tryExclusive('CKPT')) return false;", to: '' },
      { file: 'wal/log-restart.js', from: "finally { locks.releaseExclusive('CKPT'); }", to: 'finally { }' },
      { file: 'wal/log-restart.js', from: "locks.assertHeld('CKPT');", to: '' },
    ],
  },
  {
    title: 'the backfill stays when the log is restarted',
    invariant: 'WAL-6',
    edits: [{ file: 'wal/log-restart.js', from: 'index.backfill = NO_FRAME;', to: '' }],
  },
  {
    title: 'the backfill goes back after the new header is published',
    invariant: 'WAL-6',
    isRare: true,
    edits: [
      { file: 'wal/log-restart.js', from: 'index.backfill = NO_FRAME;', to: '' },
      {
        file: 'wal/log-restart.js',
        from: 'index.publish(header);',
        to: 'index.publish(header); index.backfill = NO_FRAME;',
      },
      { file: 'wal/wal.js', from: 'if (index.backfill <= header.endMark) return true;', to: 'return true;' },
    ],
  },
  {
    title: 'only one copy of the header is read',
    invariant: 'INDEX-1',
    edits: [
      {
        file: 'wal/wal-index.js',
        from: 'if (Atomics.load(words, COPY_2_WORD + i) !== into.words[i]) return false;',
        to: '',
      },
      { file: 'wal/index-header.js', from: 'this.#isSealed());', to: 'true);' },
    ],
  },
  {
    title: 'the header is published before the frames are in the index',
    invariant: 'INDEX-2',
    edits: [
      {
        file: 'wal/log-append.js',
        from: 'try { const spilledCount',
        to: 'wal.index.publish(header); try { const spilledCount',
      },
    ],
  },
  {
    title: 'a reader does not look at its read mark again once it holds the slot',
    invariant: 'SNAP-1',
    edits: [
      {
        file: 'wal/read-mark.js',
        from: 'if (index.readMark(slot) === mark && index.isCurrent(header)) return { slot, backfill };',
        to: 'return { slot, backfill };',
      },
    ],
  },
  {
    title: 'a reader does not look at the header again once it holds READ(0)',
    invariant: 'SNAP-4',
    isRare: true,
    edits: [
      {
        file: 'wal/read-mark.js',
        from: 'if (index.isCurrent(header)) return { slot: MAIN_FILE_SLOT, backfill: header.endMark };',
        to: 'return { slot: MAIN_FILE_SLOT, backfill: header.endMark };',
      },
    ],
  },
  {
    title: 'a checkpoint copies past the marks of readers',
    invariant: 'SNAP-1',
    edits: [{ file: 'wal/backfill.js', from: 'safe = frameNumber(Math.min(safe, index.readMark(slot)));', to: '' }],
  },
  {
    title: 'a checkpoint does not take READ(0)',
    invariant: 'SNAP-1',
    edits: [
      {
        file: 'wal/backfill.js',
        from: 'const hasSlot = yield* tryFor(wal, () => locks.tryReadExclusive(MAIN_FILE_SLOT), options);',
        to: 'const hasSlot = true;',
      },
      { file: 'wal/backfill.js', from: 'locks.releaseReadExclusive(MAIN_FILE_SLOT);', to: '' },
    ],
  },
  {
    title: 'a recovery takes frames behind the last commit for committed',
    invariant: 'WAL-4',
    edits: [
      {
        file: 'wal/recovery.js',
        from: 'if (fields.commitMark === 0) continue;',
        to: 'if (fields.commitMark === 0) fields.commitMark = Math.max(header.pageCount, fields.pageNumber);',
      },
    ],
  },
  {
    title: 'the first opener believes what a power loss left of the wal-index',
    invariant: 'INDEX-3',
    edits: [
      {
        file: 'wal/attach.js',
        from: "if (shm.tryLock(DMS_LOCK_BYTE, 1, 'exclusive')) shm.truncate(RESET_SHM_SIZE);",
        to: '',
      },
    ],
  },
  {
    title: 'the last closer removes the log without syncing the main file',
    invariant: 'DUR-2',
    isRare: true,
    edits: [
      { file: 'wal/attach.js', from: 'runSync(backfillAll(wal, synchronous))', to: "runSync(backfillAll(wal, 'off'))" },
    ],
  },
  {
    title: 'a page that a checkpoint has overwritten is given out of an earlier state',
    invariant: 'WATCH-2',
    options: { watches: true },
    edits: [
      {
        file: 'pager/past-pages.js',
        from: 'if (index.backfillAttempted >= later) throw new PageOverwritten(number);',
        to: '',
      },
    ],
  },
  {
    title: 'a watch goes on in a new log without counting the commits',
    invariant: 'WATCH-1',
    options: { watches: true },
    edits: [{ file: 'wal/commit-history.js', from: '&& counted === this.#commits.length', to: '' }],
  },
  {
    title: 'how far checkpoints got is forgotten before the new log is published',
    invariant: 'WATCH-2, SNAP-6',
    options: { watches: true },
    isRare: true,
    edits: [
      {
        file: 'wal/log-restart.js',
        from: 'index.backfill = NO_FRAME;',
        to: 'index.backfill = index.backfillAttempted = NO_FRAME;',
      },
    ],
  },
  {
    title: 'the batch behind one whose sync failed is published all the same',
    invariant: 'TXN-8',
    options: { groups: true },
    edits: [
      {
        file: BATCH_COMMIT,
        from: 'if (!waiting.isCancelled) waiting.outcome = { error };',
        to: '{} if (next.written !== null) this.#appender.publish(next.written);',
      },
      { file: 'wal/log-append.js', from: 'assert(wal.header.endMark === first - 1,', to: 'assert(true,' },
    ],
  },
  {
    title: 'those behind a batch whose sync failed are told that they are committed',
    invariant: 'TXN-8',
    options: { groups: true },
    edits: [{ file: BATCH_COMMIT, from: 'if (!waiting.isCancelled) waiting.outcome = { error };', to: '{}' }],
  },
  {
    title: 'the batch behind another is published without a sync of its own',
    invariant: 'TXN-3',
    options: { groups: true },
    edits: [
      {
        file: GROUP_COMMIT,
        from: 'batch = next; syncing = this.#batches.sync(next);',
        to: 'batch = next; syncing = Promise.resolve();',
      },
    ],
  },
  {
    title: 'a batch behind another is made of the newest state that is published',
    invariant: 'TXN-8',
    options: { groups: true },
    edits: [{ file: BATCH_COMMIT, from: 'this.#pager.beginBehind(before.pages, limit)', to: 'this.#begin(limit)' }],
  },
  {
    title: 'frames whose sync failed stay readable in the log',
    invariant: 'DUR-3',
    options: { groups: true },
    edits: [
      {
        file: 'wal/log-append.js',
        from: 'yield* this.#wal.syncLog(options); } catch (error) { this.#eraseFrame(batch.first);',
        to: 'yield* this.#wal.syncLog(options); } catch (error) {',
      },
    ],
  },
  {
    title: 'a transaction that throws is not undone',
    invariant: 'TXN-1',
    options: { groups: true },
    edits: [
      {
        file: 'txn/waiting-commit.js',
        from: 'pages.rollback(); waiting.outcome = { error };',
        to: 'pages.release(); waiting.outcome = { error };',
      },
    ],
  },
  {
    title: 'those who came while a batch was published are forgotten until somebody else comes',
    invariant: 'TXN-3',
    options: { groups: true },
    edits: [
      {
        file: GROUP_COMMIT,
        from: 'this.#running = null; if (this.#queue.length > 0) this.#schedule();',
        to: 'this.#running = null;',
      },
    ],
  },
  {
    title: 'a checkpoint takes pages back to versions that the main file has left behind',
    invariant: 'WAL-7',
    unitTest: {
      file: 'test/wal/recovery-and-checkpoint.test.ts',
      title: 'a checkpoint after a recovery takes no page back to an older version',
    },
    edits: [
      {
        file: 'wal/backfill.js',
        from: 'if (newest.delete(page)) checkFrame(wal, frameNumber(frame), page, isRead);',
        to: '',
      },
    ],
  },
  {
    title: 'a recovery publishes what it finds without syncing it',
    invariant: 'WAL-8',
    unitTest: {
      file: 'test/wal/recovery.test.ts',
      title: 'what is found is synced before anybody may commit behind it (WAL-8)',
    },
    edits: [{ file: 'wal/recovery.js', from: 'if (endMark !== NO_FRAME) runSync(wal.syncLog());', to: '' }],
  },
  {
    title: 'the first copy of the header is stored before the second',
    invariant: 'INDEX-1',
    unitTest: {
      file: 'test/wal/index-header.test.ts',
      title: 'a header is published by storing all of copy 2, and then copy 1',
    },
    edits: [
      {
        file: 'wal/wal-index.js',
        from: `
          for (let i = 0; i < HEADER_WORD_COUNT; i++) Atomics.store(words, COPY_2_WORD + i, header.words[i]);
          for (let i = 0; i < HEADER_WORD_COUNT; i++) Atomics.store(words, COPY_1_WORD + i, header.words[i]);`,
        to: `
          for (let i = 0; i < HEADER_WORD_COUNT; i++) Atomics.store(words, COPY_1_WORD + i, header.words[i]);
          for (let i = 0; i < HEADER_WORD_COUNT; i++) Atomics.store(words, COPY_2_WORD + i, header.words[i]);`,
      },
    ],
  },
  {
    title: 'a process goes on committing after a failed sync',
    invariant: 'DUR-3',
    unitTest: {
      file: 'test/wal/faults.test.ts',
      title:
        'after a failed sync in the background the connection reads, refuses to write, and works when opened again',
    },
    edits: [{ file: 'wal/wal.js', from: 'if (this.#failure !== null) throw this.#failure;', to: '' }],
  },
]
