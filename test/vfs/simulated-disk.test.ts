/** The simulated disk keeps what was synced and loses what was not, as its doc comments say. */
import test from 'ava'
import { EndmarkError } from '../../src/errors.js'
import type { Vfs } from '../../src/vfs/index.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { ProcessKilled, SimulatedMachine } from '../../src/vfs/simulated-machine.js'
import { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { Random } from '../support/random.js'

const CRASHES = 200

function start(disk = new SimulatedDisk(), seed = 1): SimulatedVfs {
  return new SimulatedVfs(new SimulatedMachine(disk, new Random(seed)))
}

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value)
}

function read(disk: SimulatedDisk, path = '/f'): Uint8Array | undefined {
  return disk.contents().get(path)
}

/** Each content of /f that is found after one of many power losses at this moment, as text. */
function outcomes(vfs: SimulatedVfs, show: (bytes: Uint8Array | undefined) => string): Set<string> {
  const found = new Set<string>()
  for (let seed = 0; seed < CRASHES; seed++) found.add(show(read(vfs.machine.disk.crash(new Random(seed)))))
  return found
}

/** First byte of each sector. */
const bySector = (bytes: Uint8Array | undefined) =>
  bytes === undefined
    ? 'missing'
    : Array.from({ length: Math.ceil(bytes.length / 512) }, (_, i) => bytes[i * 512]).join()

function synced(vfs: SimulatedVfs, bytes: Uint8Array) {
  const file = vfs.open('/f', { create: true })
  file.write([bytes], 0)
  file.datasyncSync()
  vfs.syncDirectory('/')
  return file
}

test('what was synced, with its name, survives every power loss', (t) => {
  const vfs = start()
  synced(vfs, filled(1024, 7))
  t.deepEqual(outcomes(vfs, bySector), new Set(['7,7']))
})

test('a name that its folder was not synced for may be gone, or there without its contents', (t) => {
  const vfs = start()
  vfs.open('/f', { create: true }).write([filled(512, 7)], 0)
  t.deepEqual([...outcomes(vfs, bySector)].sort(), ['', '0', '7', 'missing'])
  vfs.syncDirectory('/')
  t.false(outcomes(vfs, bySector).has('missing'))
  vfs.remove('/f')
  t.true(outcomes(vfs, bySector).has('7') && outcomes(vfs, bySector).has('missing'))
})

test('writes that were not synced are kept or lost by sectors, in any order', (t) => {
  const vfs = start()
  const file = synced(vfs, filled(1024, 1))
  file.write([filled(1024, 2)], 0)
  t.deepEqual([...outcomes(vfs, bySector)].sort(), ['1,1', '1,2', '2,1', '2,2'])
  file.write([filled(512, 3)], 512)
  t.deepEqual([...outcomes(vfs, bySector)].sort(), ['1,1', '1,2', '1,3', '2,1', '2,2', '2,3'])
  file.datasyncSync()
  t.deepEqual(outcomes(vfs, bySector), new Set(['2,3']))
})

test('no write tears a sector', (t) => {
  const vfs = start()
  const file = synced(vfs, filled(512, 1))
  file.write([filled(200, 2), filled(100, 3)], 100)
  const kinds = outcomes(vfs, (bytes) => [...new Set(bytes)].sort().join())
  t.deepEqual([...kinds].sort(), ['1', '1,2,3'])
})

test('a file that was cut may have its old length after a power loss, until it is synced', (t) => {
  const vfs = start()
  const file = synced(vfs, filled(1024, 1))
  file.truncate(512)
  t.deepEqual([...outcomes(vfs, bySector)].sort(), ['1', '1,1'])
  file.write([filled(512, 2)], 512)
  t.deepEqual([...outcomes(vfs, bySector)].sort(), ['1', '1,0', '1,1', '1,2'], 'or what was written behind it since')
  file.truncate(512)
  file.datasyncSync()
  t.deepEqual(outcomes(vfs, bySector), new Set(['1']))
  file.truncate(1024)
  t.deepEqual(read(vfs.machine.disk)?.subarray(512), new Uint8Array(512), 'what was cut off comes back as zeros')
})

test('a sync covers what was written before it began, and not what is written while it runs', async (t) => {
  const vfs = start()
  const file = synced(vfs, filled(1024, 1))
  file.write([filled(512, 2)], 0)
  const syncing = file.datasync()
  file.write([filled(512, 3)], 512)
  await syncing
  t.deepEqual([...outcomes(vfs, bySector)].sort(), ['2,1', '2,3'])
})

test('what a failed sync was to save stays in doubt after one that succeeds', (t) => {
  const vfs = start()
  const file = synced(vfs, filled(1024, 1))
  file.write([filled(512, 2)], 0)
  vfs.machine.hook = ({ when, operation }) =>
    when === 'before' && operation === 'datasync' ? { code: 'EIO' } : undefined
  const error = t.throws(() => file.datasyncSync(), { instanceOf: EndmarkError })
  t.is(error?.code, 'ENDMARK_IO')
  vfs.machine.hook = () => undefined
  file.write([filled(512, 3)], 512)
  file.datasyncSync()
  t.deepEqual([...outcomes(vfs, bySector)].sort(), ['1,3', '2,3'])
  file.write([filled(512, 4)], 0)
  file.datasyncSync()
  t.deepEqual(outcomes(vfs, bySector), new Set(['4,3']))
})

test('everybody who has the file open is told of a failed sync, once', async (t) => {
  const vfs = start()
  const file = synced(vfs, filled(512, 1))
  const other = vfs.open('/f', {})
  file.write([filled(512, 2)], 512)
  vfs.machine.hook = ({ when, operation }) =>
    when === 'before' && operation === 'datasync' ? { code: 'EIO' } : undefined
  const failing = file.datasync()
  vfs.machine.hook = () => undefined
  await t.throwsAsync(failing, { instanceOf: EndmarkError })
  t.throws(() => other.datasyncSync(), { instanceOf: EndmarkError })
  t.notThrows(() => other.datasyncSync())
  t.notThrows(() => vfs.open('/f', {}).datasyncSync())
  t.true(outcomes(vfs, bySector).has('1'), 'the length was in doubt')
  other.write([filled(512, 3)], 512)
  other.datasyncSync()
  t.deepEqual(outcomes(vfs, bySector), new Set(['1,3']))
})

test('a wait on the event loop is over when the machine says so', async (t) => {
  const vfs = start()
  const file = synced(vfs, filled(512, 1))
  const ends: (() => void)[] = []
  const begun: string[] = []
  vfs.machine.events = (process, event, end) => {
    t.is(process, vfs)
    begun.push(event)
    ends.push(end)
  }
  const done: string[] = []
  const syncing = file.datasync().then(() => done.push('datasync'))
  const waiting = vfs.delay(5).then(() => done.push('delay'))
  vfs.endOfTurn(() => done.push('endOfTurn'))
  t.deepEqual(begun, ['datasync', 'delay', 'endOfTurn'])
  for (const end of ends.reverse()) end()
  await Promise.all([syncing, waiting])
  t.deepEqual(done, ['endOfTurn', 'delay', 'datasync'])
})

test('a write that the disk has no room for may have been made in part', (t) => {
  const vfs = start()
  const file = synced(vfs, filled(1024, 1))
  vfs.machine.hook = ({ when, operation }) =>
    when === 'before' && operation === 'write' ? { code: 'ENOSPC', writtenBytes: 512 } : undefined
  const error = t.throws(() => file.write([filled(1024, 2)], 0), { instanceOf: EndmarkError })
  t.is((error?.cause as NodeJS.ErrnoException | undefined)?.code, 'ENOSPC')
  t.is(bySector(read(vfs.machine.disk)), '2,1')
})

test('maps are memory that all processes of the machine share with the file', (t) => {
  const one = start()
  const two = new SimulatedVfs(one.machine)
  const file = one.open('/f', { create: true })
  file.write([filled(8192, 1)], 0)
  const map = file.map(0, 65536, { writable: true })
  const other = two.open('/f', {}).map(0, 65536, { writable: true })
  Atomics.store(new Int32Array(other.buffer, 4096, 1), 0, 0x05050505)
  t.is(map[4096], 5)
  file.write([filled(1, 9)], 0)
  t.is(other[0], 9)
  t.is(bySector(read(one.machine.disk))?.split(',')[8], '5')
})

test('a view past the end of a file cannot be made, where a real process would be killed', (t) => {
  const file = start().open('/f', { create: true })
  file.write([filled(5000, 1)], 0)
  const map = file.map(0, 65536, { writable: false })
  t.is(new Uint8Array(map.buffer, 4096, 4096)[4000], 0, 'the rest of its last memory page is there')
  t.throws(() => new Uint8Array(map.buffer, 8192, 1), { instanceOf: RangeError })
  file.write([filled(1, 7)], 9000)
  t.is(new Uint8Array(map.buffer, 9000, 1)[0], 7, 'a map reaches further as the file grows')
  file.truncate(100)
  t.throws(() => new Uint8Array(map.buffer, 4096, 1), { instanceOf: RangeError })
})

test('a power loss leaves anything in a file that was mapped for writing', (t) => {
  const vfs = start()
  const file = synced(vfs, filled(1024, 1))
  file.map(0, 65536, { writable: true })
  file.datasyncSync()
  const found = outcomes(vfs, bySector)
  t.true(found.has('') && found.size > 10)
})

test('a killed process does nothing more, and its locks are gone', (t) => {
  const one = start()
  const two = new SimulatedVfs(one.machine)
  const [mine, other] = [one.open('/f', { create: true }), two.open('/f', {})]
  t.true(mine.tryLock(0, 10, 'exclusive'))
  t.false(other.tryLock(5, 1, 'shared'))
  one.kill()
  t.true(other.tryLock(5, 1, 'shared'))
  for (const call of [() => mine.write([filled(1, 1)], 0), () => mine.close(), () => one.open('/g', { create: true })])
    t.throws(call, { instanceOf: ProcessKilled })
  t.is(other.size(), 0)
  t.false(two.exists('/g'))
})

test('the same seed gives the same damage', (t) => {
  const vfs = start()
  const file = synced(vfs, filled(4096, 1))
  for (let i = 0; i < 20; i++) file.write([filled(300, i)], i * 150)
  const crash = (seed: number) => Buffer.from(read(vfs.machine.disk.crash(new Random(seed))) ?? []).toString('hex')
  for (let seed = 0; seed < 20; seed++) t.is(crash(seed), crash(seed))
  t.true(new Set(Array.from({ length: 20 }, (_, seed) => crash(seed))).size > 5)
})

test('names are created, linked and removed as by the real system', (t) => {
  const vfs: Vfs = start()
  t.throws(() => vfs.open('/f', {}), { code: 'ENDMARK_NOT_FOUND' })
  vfs.open('/f', { create: true, exclusive: true }).write([filled(3, 1)], 0)
  const error = t.throws(() => vfs.open('/f', { create: true, exclusive: true }), { instanceOf: EndmarkError })
  t.is((error?.cause as NodeJS.ErrnoException | undefined)?.code, 'EEXIST')
  t.true(vfs.link('/f', '/g'))
  t.false(vfs.link('/f', '/g'))
  vfs.remove('/f')
  vfs.remove('/f')
  t.false(vfs.exists('/f'))
  t.is(vfs.open('/g', {}).size(), 3)
  vfs.syncDirectory('/')
  vfs.remove('/g')
  t.false(vfs.exists('/g'), 'a name that is durable is gone at once for everybody')
})
