import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { ClientLock, ClientLockProbe } from '../../ipc/client-lock.js'
import { CLIENT_ID_BOUND, CLIENT_ID_MIN } from '../../ipc/protocol.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { fakeDatabase } from './connections.js'

const MAIN = fileURLToPath(new URL('./client-process-main.js', import.meta.url))

test('a client lives from taking its lock to giving it back, for whoever asks', (t) => {
  const path = fakeDatabase(t)
  const probe = new ClientLockProbe(path)
  const otherProbe = new ClientLockProbe(path)
  t.teardown(() => probe.close())
  t.teardown(() => otherProbe.close())
  const one = ClientLock.acquire(path)
  const other = ClientLock.acquire(path)
  t.not(one.clientId, other.clientId)
  for (const { clientId } of [one, other]) t.true(clientId >= CLIENT_ID_MIN && clientId < CLIENT_ID_BOUND)
  for (let round = 0; round < 3; round++) {
    t.true(probe.isAlive(one.clientId))
    t.true(otherProbe.isAlive(one.clientId))
  }
  t.false(probe.isAlive(one.clientId + 1))
  one.release()
  t.false(probe.isAlive(one.clientId))
  t.true(probe.isAlive(other.clientId))
  other.release()
})

test('a client that was killed does not live', async (t) => {
  const path = fakeDatabase(t)
  const child: ChildProcess = fork(MAIN, [path, 'lock'])
  t.teardown(() => child.kill('SIGKILL'))
  const [{ clientId }] = (await once(child, 'message')) as [{ clientId: number }]
  const probe = new ClientLockProbe(path)
  t.teardown(() => probe.close())
  t.true(probe.isAlive(clientId))
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  t.false(probe.isAlive(clientId))
})

test('the locks of clients leave those of SQLite alone', (t) => {
  const path = fakeDatabase(t)
  const lock = ClientLock.acquire(path)
  t.teardown(() => lock.release())
  const shm = nodeVfs().open(`${path}-shm`, {})
  t.true(shm.tryLock(120, 9, 'exclusive'))
  shm.close()
})
