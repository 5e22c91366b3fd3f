/**
 * Every call of the system fails once, or from some point on: a typed error, nothing half-visible, what was acknowledged
 * stays, and no lock is left behind (DUR-3). Unlocking and closing are not failed: the kernel does not refuse them.
 */
import { constants } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { EndmarkError } from '../../src/errors.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect } from '../support/connection.js'
import { type FailOptions, failOn, HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { isBefore, mayHold, SCENARIOS, type Scenario, Stage } from '../support/scenarios.js'
import { smallMaps } from '../support/small-maps.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const { EIO, ENOSPC } = constants.errno
const vfs = smallMaps(nodeVfs())
/** A lock that was granted is not reported as refused either. */
const canFail = ({ operation, when }: VfsEvent) =>
  operation !== 'unlock' && operation !== 'close' && !(operation === 'tryLock' && when === 'after')

/** Runs the scenario with a failure. @returns the error, null without one; `isHit`: there was a call to fail */
async function runWith(stage: Stage, { run }: Scenario, fail: FailOptions) {
  let operations = 0
  let logSyncs = 0
  const hook = failOn(canFail, fail)
  stage.vfs.hook = (event) => {
    if (event.when === (fail.when ?? 'before') && canFail(event)) operations++
    try {
      hook(event)
    } catch (error) {
      if (event.operation === 'datasync' && event.path.endsWith('-wal')) logSyncs++
      if (event.operation === 'syncDirectory') logSyncs++
      throw error
    }
  }
  let error: unknown = null
  try {
    // A close does not throw: it returns why it could not clean up.
    const result = await run(stage)
    if (result instanceof Error) error = result
  } catch (thrown) {
    error = thrown
  }
  stage.vfs.hook = () => {}
  return { error, isHit: operations >= fail.nth!, hasFailedSync: logSyncs > 0 }
}

async function failEverywhere(t: ExecutionContext, scenario: Scenario, fail: FailOptions): Promise<void> {
  for (let nth = 1, isHit = true; isHit; nth++) {
    const stage = new Stage(t, scenario)
    const outcome = await runWith(stage, scenario, { ...fail, nth })
    const { error } = outcome
    isHit = outcome.isHit
    const where = `operation ${nth}`
    if (error !== null) t.true(error instanceof EndmarkError && error.code === 'ENDMARK_IO', `${where}: ${error}`)
    // Nobody has to wait for locks that the failure left behind.
    const other = connect(stage.path, { vfs, timeoutMs: 40 })
    const contents = other.contents()
    t.true(mayHold(scenario, contents, { isDone: error === null }), `${where}: ${contents} after ${error}`)
    if (error !== null && scenario.title.includes('commit'))
      t.true(isBefore(contents), `${where}: visible, but rejected`)
    other.fillSync([3], 7, 'off')
    contents[1] = 7
    goOn(t, stage.connection, { contents, mayWrite: !outcome.hasFailedSync, where })
    const now = other.contents()
    t.is(other.checkpointSync('truncate').busy, false, where)
    t.deepEqual(other.contents(), now)
    stage.kill()
    t.is(other.close(), null)
  }
}

/** The connection that met the failure reads on, and writes on unless its log could not be synced. */
function goOn(
  t: ExecutionContext,
  connection: Connection | null,
  { contents, mayWrite, where }: { contents: number[]; mayWrite: boolean; where: string },
): void {
  if (connection === null) return
  t.deepEqual(connection.contents(), contents, where)
  if (mayWrite) {
    connection.fillSync([4], 8)
    t.is(connection.contents()[2], 8)
  } else {
    t.throws(() => connection.fillSync([4], 8), { code: 'ENDMARK_IO', message: /reopen/ }, where)
    t.deepEqual(connection.contents(), contents)
  }
}

const KINDS: readonly (FailOptions & { readonly what: string })[] = [
  { what: 'fails once', errno: EIO },
  { what: 'fails from then on', errno: EIO, andLater: true },
  { what: 'finds the disk full once', errno: ENOSPC },
  { what: 'fails though it was done', errno: EIO, when: 'after' },
]

for (const scenario of SCENARIOS) {
  for (const { what, ...fail } of KINDS) {
    if ((fail.when === 'after' || fail.errno === ENOSPC) && !scenario.isCommit) continue
    test(
      `${scenario.title}: every call that ${what} gives a typed error and loses nothing`,
      failEverywhere,
      scenario,
      fail,
    )
  }
}

test('a batch that was rejected because its sync failed does not come back with a recovery', (t) => {
  // Its frames stand in the log with a commit mark; nobody else has written since, and the wal-index is gone.
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(vfs)
  const connection = connect(path, { vfs: hooked })
  connection.fillSync([2, 3], 1)
  hooked.hook = failOn(({ operation }) => operation === 'datasync')
  t.throws(() => connection.fillSync([3], 2), { code: 'ENDMARK_IO' })
  t.is(connection.close(), null)
  const next = connect(path, { vfs })
  t.deepEqual(next.contents(), [1, 1])
  next.fillSync([3], 3)
  next.vanish()
  const last = connect(path, { vfs })
  t.deepEqual(last.contents(), [1, 3])
  last.close()
})

test('after a full disk the next commit works', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(vfs)
  const connection = connect(path, { vfs: hooked })
  await connection.fill([2], 1)
  hooked.hook = failOn(({ operation }) => operation === 'write', { errno: ENOSPC })
  const error = await t.throwsAsync(() => connection.fill([2, 3], 2), { code: 'ENDMARK_IO' })
  t.like(error, { cause: { code: 'ENOSPC' } })
  await connection.fill([3], 3)
  t.deepEqual(connection.contents(), [1, 3])
  connection.close()
})

test('after a failed sync in the background the connection reads, refuses to write, and works when opened again', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(vfs)
  const connection = connect(path, { vfs: hooked })
  await connection.fill([2], 1)
  hooked.hook = failOn(({ operation }) => operation === 'datasync')
  await t.throwsAsync(() => connection.fill([2], 2), { code: 'ENDMARK_IO' })
  t.deepEqual(connection.contents(), [1])
  for (const synchronous of ['full', 'off'] as const) {
    await t.throwsAsync(() => connection.fill([2], 3, synchronous), { code: 'ENDMARK_IO', message: /reopen/ })
  }
  await t.throwsAsync(() => connection.checkpoint(), { code: 'ENDMARK_IO' })
  t.is(connection.close(), null)
  const next = connect(path, { vfs })
  await next.fill([2], 4)
  t.deepEqual(next.contents(), [4])
  next.close()
})
