/** The test tool that forces schedules and failures has to be right itself. */
import { constants } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { nodeVfs } from '../../src/vfs/index.js'
import { failOn, HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('every operation is reported before and after it, in order', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'a')
  const events: VfsEvent[] = []
  const vfs = new HookedVfs(nodeVfs(), (event) => events.push(event))
  const file = vfs.open(path, { create: true })
  file.write([Uint8Array.of(1, 2), Uint8Array.of(3)], 10)
  file.read(new Uint8Array(5), 9)
  file.tryLock(120, 2, 'exclusive')
  file.unlock(120, 2)
  await file.datasync()
  file.datasyncSync()
  file.truncate(4)
  file.close()
  vfs.link(path, `${path}2`)
  vfs.remove(path)
  vfs.syncDirectory(folder)

  const names = ['open', 'write', 'read', 'tryLock', 'unlock', 'datasync', 'datasync', 'truncate', 'close', 'link']
  const expected = [...names, 'remove', 'syncDirectory'].flatMap((name) => [`before ${name}`, `after ${name}`])
  t.deepEqual(
    events.map(({ when, operation }) => `${when} ${operation}`),
    expected,
  )
  const after = { when: 'after', path } as const
  t.deepEqual(events[3], { ...after, operation: 'write', offset: 10, length: 3, result: undefined })
  t.deepEqual(events[5], { ...after, operation: 'read', offset: 9, length: 5, result: 4 })
  t.deepEqual(events[7], { ...after, operation: 'tryLock', offset: 120, length: 2, mode: 'exclusive', result: true })
})

test('failOn makes the nth matching operation fail as the system would, and only that one', (t) => {
  const vfs = new HookedVfs(nodeVfs())
  const file = vfs.open(join(temporaryFolder(t), 'a'), { create: true })
  t.teardown(() => file.close())
  vfs.hook = failOn((event) => event.operation === 'write', { nth: 2, errno: constants.errno.ENOSPC })
  file.write([Uint8Array.of(1)], 0)
  const error = t.throws(() => file.write([Uint8Array.of(2)], 1), { code: 'ENDMARK_IO' })
  t.is((error.cause as NodeJS.ErrnoException).code, 'ENOSPC')
  t.is(file.size(), 1)
  file.write([Uint8Array.of(3)], 1)
  t.is(file.size(), 2)
})

test('a failing async datasync is a rejection, before or after the data has reached the disk', async (t) => {
  const vfs = new HookedVfs(nodeVfs())
  const file = vfs.open(join(temporaryFolder(t), 'a'), { create: true })
  t.teardown(() => file.close())
  for (const when of ['before', 'after'] as const) {
    vfs.hook = failOn((event) => event.operation === 'datasync', { when, andLater: true })
    const error = await t.throwsAsync(file.datasync(), { code: 'ENDMARK_IO' })
    t.is((error.cause as NodeJS.ErrnoException).code, 'EIO')
    t.throws(() => file.datasyncSync(), { code: 'ENDMARK_IO' })
  }
})
