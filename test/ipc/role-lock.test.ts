import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { RoleLock, readHolder, roleFileOf } from '../../ipc/role-lock.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { until } from '../support/until.js'

const MAIN = fileURLToPath(new URL('./role-process-main.js', import.meta.url))

interface Report {
  readonly held?: boolean
  readonly code?: string
  readonly message?: string
}

async function startProcess(t: ExecutionContext<unknown>): Promise<ChildProcess> {
  const child = fork(MAIN)
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

async function order(child: ChildProcess, what: object): Promise<Report> {
  const answer = once(child, 'message')
  child.send(what)
  return (await answer)[0] as Report
}

async function acquire(t: ExecutionContext<unknown>, path: string, onLost = (_: Error) => {}): Promise<RoleLock> {
  const lock = await RoleLock.acquire(path, 'writer', { onLost, checkMs: 1000 })
  t.teardown(() => lock.release())
  return lock
}

test('a second holder is refused, and told who has the role', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const child = await startProcess(t)
  t.true((await order(child, { take: path })).held)
  const error = await t.throwsAsync(RoleLock.acquire(path, 'writer', { onLost: () => {} }), { code: 'ENDMARK_BUSY' })
  t.regex(error.message, new RegExp(`app\\.db-writer: the role of the writer is held by process ${child.pid},`))
})

test('the two roles of a database do not concern each other, and neither do those of two databases', async (t) => {
  const folder = temporaryFolder(t)
  await acquire(t, join(folder, 'app.db'))
  await acquire(t, join(folder, 'other.db'))
  const checkpointer = await RoleLock.acquire(join(folder, 'app.db'), 'checkpointer', { onLost: () => {} })
  t.true(checkpointer.isHeld)
  await checkpointer.release()
})

test('a role that is released leaves no files and can be taken again', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  for (let round = 0; round < 3; round++) {
    const lock = await acquire(t, path)
    t.is(readHolder(roleFileOf(path, 'writer'))?.pid, process.pid)
    t.is(statSync(lock.path).mode & 0o777, 0o600)
    await lock.release()
    t.false(lock.isHeld)
    t.deepEqual(readdirSync(dirname(path)), [])
    await lock.release()
  }
})

test('a holder that was killed is replaced at once, though its files are there', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const child = await startProcess(t)
  t.true((await order(child, { take: path })).held)
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  t.true(existsSync(`${path}-writer.lock`))
  const start = performance.now()
  const lock = await acquire(t, path)
  const took = performance.now() - start
  t.true(took < 1000, `it took ${took} ms`)
  t.true(lock.isHeld)
  t.is(readHolder(lock.path)?.pid, process.pid)
})

test('of eight processes that want the role at the same moment, exactly one gets it, each time', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const children = await Promise.all(Array.from({ length: 8 }, () => startProcess(t)))
  for (let round = 0; round < 6; round++) {
    const reports = await Promise.all(children.map((child) => order(child, { take: path })))
    const winners = children.filter((_, index) => reports[index]?.held)
    t.is(winners.length, 1, JSON.stringify(reports))
    t.true(
      reports.every(({ held, code }) => held || code === 'ENDMARK_BUSY'),
      JSON.stringify(reports),
    )
    if (round % 2 === 0) {
      await order(winners[0]!, { release: true })
      continue
    }
    const index = children.indexOf(winners[0]!)
    const exit = once(winners[0]!, 'exit')
    winners[0]!.kill('SIGKILL')
    await exit
    children[index] = await startProcess(t)
  }
})

test('a holder whose lock is removed hears of it, and steps down', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  let lost: Error | null = null
  const lock = await acquire(t, path, (reason) => {
    lost = reason
  })
  rmSync(`${lock.path}.lock`, { recursive: true })
  await until(() => lost !== null)
  t.false(lock.isHeld)
  const successor = await acquire(t, path)
  t.true(successor.isHeld)
  await lock.release()
  t.true(existsSync(successor.path), 'releasing what was lost removes nothing')
})

test('a holder whose role file is removed is replaced, and hears of it', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  let lostCount = 0
  const first = await acquire(t, path, () => {
    lostCount++
  })
  rmSync(first.path)
  const second = await acquire(t, path)
  t.true(second.isHeld)
  await until(() => lostCount > 0)
  t.false(first.isHeld)
  t.true(second.isHeld)
  t.is(lostCount, 1)
})

test('a role file that is removed between opening and locking does not count', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  let removals = 0
  const vfs = new HookedVfs(nodeVfs(), (event: VfsEvent) => {
    if (event.when !== 'before' || event.operation !== 'tryLock' || removals === 3) return
    removals++
    rmSync(roleFileOf(path, 'writer'))
  })
  const lock = await RoleLock.acquire(path, 'writer', { onLost: () => {}, vfs })
  t.is(removals, 3)
  await t.throwsAsync(RoleLock.acquire(path, 'writer', { onLost: () => {} }), { code: 'ENDMARK_BUSY' })
  await lock.release()
  t.deepEqual(readdirSync(dirname(path)), [])
})

test('a left-over lock folder of any age and a role file full of rubbish are in nobody’s way', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  mkdirSync(`${path}-writer.lock`)
  writeFileSync(`${path}-writer.lock/rubbish`, 'x')
  writeFileSync(`${path}-writer`, '{"pid": "none"')
  const lock = await acquire(t, path)
  t.is(readHolder(lock.path)?.pid, process.pid)
})
