/**
 * READER-1: the reader registry lists who is alive, and whatever is in the file, or becomes of it, harms nobody: not those who
 * list, not those who register, not the file of somebody else.
 */
import { mkdirSync, readFileSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { decodeReaderSlot, encodeReaderSlot, READER_SLOT_COUNT, READER_SLOT_SIZE } from '../../src/format/index.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { ReaderRegistry } from '../../src/wal/index.js'
import { failOn, HookedVfs } from '../support/hooked-vfs.js'
import { temporaryPath } from '../support/open-database.js'
import { seededRandom } from '../support/random.js'

const READER = { pid: 7, thread: 1, salt1: 2, salt2: 0xffffffff, endMark: 9, sinceMs: 1_800_000_000_123, label: 'añb' }

/** A registry as one connection has it, and the file. */
function registryAt(t: ExecutionContext, path: string, vfs = new HookedVfs(nodeVfs())) {
  const main = vfs.open(path, { create: true })
  const registry = new ReaderRegistry(vfs, main)
  t.teardown(() => {
    registry.close()
    main.close()
  })
  return registry
}

test('a registered reader is seen by all, and by nobody once it has let go', (t) => {
  const path = temporaryPath(t)
  const [own, other] = [registryAt(t, path), registryAt(t, path)]
  t.deepEqual(other.list(), [])
  const registration = own.register(READER)!
  for (const registry of [own, other]) {
    const [reader, ...rest] = registry.list()
    t.like(reader, READER)
    t.deepEqual(rest, [])
  }
  registration.release()
  t.deepEqual([own.list(), other.list()], [[], []])
})

test('the entry of one that has died is not listed, although it is still there, and its slot is used again', (t) => {
  const path = temporaryPath(t)
  const [dead, other] = [registryAt(t, path), registryAt(t, path)]
  dead.register(READER)
  dead.close()
  t.not(decodeReaderSlot(readFileSync(`${path}-readers`)), null)
  t.deepEqual(other.list(), [])
  other.register({ ...READER, pid: 8 })
  t.deepEqual(
    other.list().map(({ pid, slot }) => [pid, slot]),
    [[8, 0]],
  )
})

test('a snapshot is asked to end by its nonce: whoever takes the slot next is not meant', (t) => {
  const path = temporaryPath(t)
  const [own, other] = [registryAt(t, path), registryAt(t, path)]
  const first = own.register(READER)!
  const second = own.register({ ...READER, endMark: 10 })!
  const [listed] = other.list().filter(({ endMark }) => endMark === 9)
  other.expire(listed!)
  t.deepEqual([first.isExpired(), second.isExpired()], [true, false])
  first.release()
  const next = own.register({ ...READER, endMark: 11 })!
  t.is(own.list().find(({ endMark }) => endMark === 11)!.slot, listed!.slot)
  other.expire(listed!)
  t.false(next.isExpired())
})

test('when all slots are taken, one more is not listed', (t) => {
  const registry = registryAt(t, temporaryPath(t))
  const all = Array.from({ length: READER_SLOT_COUNT }, () => registry.register(READER))
  t.true(all.every((one) => one !== null))
  t.is(registry.register(READER), null)
  t.is(registry.list().length, READER_SLOT_COUNT)
  all[5]!.release()
  t.not(registry.register(READER), null)
})

test('a label is cut between two characters, and an empty one is no missing one', (t) => {
  const label = 'é'.repeat(40)
  const decoded = (text: string | null) =>
    decodeReaderSlot(encodeReaderSlot({ ...READER, nonce: 1, label: text }))!.label
  t.is(decoded(label), 'é'.repeat(32))
  t.is(decoded(`x${label}`), `x${'é'.repeat(31)}`)
  t.is(decoded(''), '')
  t.is(decoded(null), null)
})

test('random bytes, flipped bits and short files list nobody, throw nothing and can be registered beside', (t) => {
  const random = seededRandom(t)
  const path = temporaryPath(t)
  const file = `${path}-readers`
  const sound = encodeReaderSlot({ ...READER, nonce: 3 })
  for (let round = 0; round < 200; round++) {
    const slot = sound.slice()
    const at = random.below(104)
    slot[at] = slot[at]! ^ (1 << random.below(8))
    t.is(decodeReaderSlot(slot), null)
    t.is(decodeReaderSlot(sound.subarray(0, random.below(READER_SLOT_SIZE))), null)
  }
  for (const length of [0, 1, 127, 129, 5000, 40_000]) {
    writeFileSync(
      file,
      Uint8Array.from({ length }, () => random.below(256)),
    )
    const registry = registryAt(t, path)
    t.deepEqual(registry.list(), [])
    registry.register(READER)?.release()
    t.deepEqual(registry.list(), [])
  }
})

test('the file of somebody else is left as it is', (t) => {
  const path = temporaryPath(t)
  const text = 'my own notes '.repeat(2000)
  writeFileSync(`${path}-mine`, text)
  symlinkSync(`${path}-mine`, `${path}-readers`)
  t.is(registryAt(t, path).register(READER), null)
  t.is(readFileSync(`${path}-mine`, 'utf8'), text)
})

test('a file that is cut or removed under us, or that is a folder, is as none', (t) => {
  const path = temporaryPath(t)
  const registry = registryAt(t, path)
  const registration = registry.register(READER)!
  truncateSync(`${path}-readers`, 0)
  t.false(registration.isExpired())
  t.deepEqual(registry.list(), [])
  registration.release()
  unlinkSync(`${path}-readers`)
  t.deepEqual(registry.list(), [])
  mkdirSync(`${path}-readers`)
  const other = registryAt(t, path)
  t.is(other.register(READER), null)
  t.deepEqual(other.list(), [])
})

test('errors of the system mean that nobody is listed', (t) => {
  const path = temporaryPath(t)
  for (const operation of ['open', 'read', 'write'] as const) {
    const vfs = new HookedVfs(nodeVfs())
    const registry = registryAt(t, path, vfs)
    vfs.hook = failOn((event) => event.operation === operation, { andLater: true })
    t.is(registry.register(READER), null, operation)
    vfs.hook = () => {}
    t.deepEqual(registry.list(), [])
  }
})
