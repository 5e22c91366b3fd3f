/**
 * Syncs of one descriptor that overlap: a commit's, and that of a checkpoint beside it. The kernel tells the descriptor of a failed
 * write-back once, so the other one succeeds although its frames may be lost (DUR-3). Found by a random schedule.
 */
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { nodeVfs, type VfsFile } from '../../src/vfs/index.js'
import { runAsync } from '../../src/wal/index.js'
import { WalFile } from '../../src/wal/wal-file.js'
import { temporaryFolder } from '../support/temporary-folder.js'

interface Sync {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The log as a file whose syncs end when the test says so. */
function controlled(t: ExecutionContext): { readonly log: WalFile; readonly syncs: Sync[] } {
  const path = join(temporaryFolder(t), 'app.db-wal')
  const vfs = nodeVfs()
  const file = vfs.open(path, { create: true })
  t.teardown(() => file.close())
  const syncs: Sync[] = []
  const datasync = () => new Promise<void>((resolve, reject) => syncs.push({ resolve, reject }))
  const stub = { path, datasync, datasyncSync: () => file.datasyncSync() } as unknown as VfsFile
  return { log: new WalFile(stub, vfs, dirname(path)), syncs }
}

const start = (log: WalFile) => runAsync(log.sync({ syncInline: false }))

test('a sync that succeeds after one beside it has failed has failed as well', async (t) => {
  const { log, syncs } = controlled(t)
  const [commit, checkpoint] = [start(log), start(log)]
  syncs[1]!.reject(new Error('EIO'))
  await t.throwsAsync(checkpoint, { message: 'EIO' })
  syncs[0]!.resolve()
  await t.throwsAsync(commit, { message: 'EIO' })
  t.throws(() => log.sync({ syncInline: true }).next(), { message: 'EIO' })
})

test('a sync that succeeds waits for those that are under way, as one of them may have been told', async (t) => {
  const { log, syncs } = controlled(t)
  const [commit, checkpoint] = [start(log), start(log)]
  let isDone = false
  const done = () => {
    isDone = true
  }
  commit.then(done, done)
  syncs[0]!.resolve()
  await nextTurn()
  t.false(isDone)
  syncs[1]!.reject(new Error('EIO'))
  await t.throwsAsync(commit, { message: 'EIO' })
  await t.throwsAsync(checkpoint, { message: 'EIO' })
})

test('syncs that overlap and succeed leave nothing behind', async (t) => {
  const { log, syncs } = controlled(t)
  const both = [start(log), start(log)]
  for (const { resolve } of syncs) resolve()
  await Promise.all(both)
  const next = start(log)
  syncs[2]!.resolve()
  await t.notThrowsAsync(next)
})
