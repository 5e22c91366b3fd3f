/** A disk that is full, or that fails, under the writer process: a clear error, nothing lost, and no service in doubt. */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { EndmarkError, open } from '../../src/index.js'
import { temporaryPath } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'
import { ServeProcess, startServe } from '../support/serve-process.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const MAP = { key: 'integer', value: 'blob' } as const

test('on a full disk a batch is refused with what went wrong, and service goes on when there is room again', async (t) => {
  const folder = temporaryFolder(t)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]).status !== 0) {
    t.log('no tmpfs may be mounted here: nothing was tested')
    t.pass()
    return
  }
  t.teardown(() => spawnSync('umount', ['-l', folder]))
  const path = join(folder, 'app.db')
  const serve = await startServe(t, path)
  const ballast = join(folder, 'ballast')
  writeFileSync(ballast, new Uint8Array(2 << 20))
  const [db, other] = [await open(path), await open(path)]
  const maps = [await db.map<number, Uint8Array>('m', MAP), await other.map<number, Uint8Array>('m', MAP)]
  const kept: number[] = []
  const refusals: unknown[] = []
  const put = (key: number) =>
    maps[key % 2]!.put(key, new Uint8Array(2000).fill(key)).then(
      () => kept.push(key),
      (error: unknown) => refusals.push(error),
    )
  let key = 0
  while (refusals.length === 0) await Promise.all(Array.from({ length: 16 }, () => put(++key)))
  const refusal = refusals[0] as EndmarkError
  t.true(refusal instanceof EndmarkError)
  t.is(refusal.code, 'ENDMARK_IO')
  t.regex(refusal.message, /ENOSPC|no space/i)
  rmSync(ballast)
  await put(++key)
  t.is(kept.at(-1), key)
  t.is(maps[0]!.count(), kept.length)
  for (const one of kept) t.deepEqual(maps[0]!.get(one), new Uint8Array(2000).fill(one))
  await Promise.all([db.close(), other.close()])
  serve.kill('SIGTERM')
  t.is(await serve.exited, 0)
  t.is(await integrityCheck(t, path), 'ok')
})

/** Makes every sync of a log fail in a process, once the file `trigger` is there. */
function failingSyncs(trigger: string): NodeJS.ProcessEnv {
  const source = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const isLog = (fd) => fs.readlinkSync('/proc/self/fd/' + fd).endsWith('-wal')
    const fails = (fd) => fs.existsSync(${JSON.stringify(trigger)}) && isLog(fd)
    const { fdatasync, fdatasyncSync } = fs
    const error = () => Object.assign(new Error('EIO: injected by a test'), { code: 'EIO' })
    fs.fdatasync = (fd, done) => fails(fd) ? setImmediate(done, error()) : fdatasync(fd, done)
    fs.fdatasyncSync = (fd) => { if (fails(fd)) throw error(); fdatasyncSync(fd) }
    syncBuiltinESMExports()`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(source)}` }
}

test('after a sync of the log has failed it steps down, and its clients commit by themselves', async (t) => {
  const path = temporaryPath(t)
  const trigger = `${path}.trigger`
  const serve = new ServeProcess(t, path, [], failingSyncs(trigger))
  await serve.event('checkpointer started')
  const [db, other] = [await open(path), await open(path)]
  const maps = [await db.map<number, Uint8Array>('m', MAP), await other.map<number, Uint8Array>('m', MAP)]
  const kept = new Set<number>()
  let key = 0
  let isOver = false
  const lane = async (index: number) => {
    while (!isOver) {
      const mine = ++key
      await maps[index % 2]!.put(mine, Uint8Array.of(index)).then(
        () => kept.add(mine),
        (error: { code: string }) => t.is(error.code, 'ENDMARK_IO'),
      )
    }
  }
  const lanes = Array.from({ length: 32 }, (_, index) => lane(index))
  while (kept.size < 500) await new Promise((resolve) => setImmediate(resolve))
  writeFileSync(trigger, '')
  t.is(await serve.exited, 1)
  t.regex(serve.errors, /a sync of the log of .* has failed.*ENDMARK_IO/s)
  const before = kept.size
  while (kept.size < before + 500) await new Promise((resolve) => setImmediate(resolve))
  isOver = true
  await Promise.all(lanes)
  t.deepEqual(
    [...maps[0]!.keys()],
    [...kept].sort((a, b) => a - b),
  )
  await Promise.all([db.close(), other.close()])
  t.is(await integrityCheck(t, path), 'ok')
})
