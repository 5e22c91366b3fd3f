/**
 * The probe sees breaches of the locks: a process that changes the -shm without the lock that it needs is found. Each test
 * holds the other locks that the change needs, and so is about one rule alone.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import type { Database } from '../../src/index.js'
import { ProbeProcess } from '../../tools/stress/probe-process.js'
import { ShmWatch } from '../../tools/stress/shm-watch.js'
import { checksum } from '../support/independent-wal-reader.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { until } from '../support/until.js'

const HEADER_SIZE = 48
const CHANGE_OFFSET = 8
const END_MARK_OFFSET = 16
const SALT_OFFSET = 32
const BACKFILL_OFFSET = 96
const READ_MARKS_OFFSET = 100

const WRITE = 120
const CKPT = 121
const READ_0 = 123

/** Changes numbers of the header, and writes both copies with a right checksum, holding no lock. */
function changeHeader(path: string, change: (header: Buffer) => void): void {
  const fd = openSync(`${path}-shm`, 'r+')
  const header = Buffer.alloc(HEADER_SIZE)
  readSync(fd, header, 0, HEADER_SIZE, 0)
  change(header)
  const [first, second] = checksum(header.subarray(0, 40), false, [0n, 0n])
  header.writeUInt32LE(Number(first), 40)
  header.writeUInt32LE(Number(second), 44)
  writeSync(fd, Buffer.concat([header, header]), 0, 2 * HEADER_SIZE, 0)
  closeSync(fd)
}

function writeBackfill(path: string, value: number): void {
  writeNumber(path, BACKFILL_OFFSET, value)
}

function writeNumber(path: string, offset: number, value: number): void {
  const fd = openSync(`${path}-shm`, 'r+')
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  writeSync(fd, bytes, 0, 4, offset)
  closeSync(fd)
}

/** Holds locks as one who keeps the rules does, until the function given back is called. */
async function hold(t: ExecutionContext<unknown>, path: string, locks: readonly number[]): Promise<() => void> {
  const holder = new ShmWatch(`${path}-shm`)
  t.teardown(() => holder.close())
  // The probe may have it for a moment.
  for (const lock of locks) await until(() => holder.tryLock(lock, false), `lock ${lock}`)
  return () => holder.close()
}

async function watched(t: ExecutionContext<unknown>): Promise<{ path: string; db: Database; probe: ProbeProcess }> {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { writer: 'inline', autoCheckpoint: 0 })
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  for (let i = 0; i < 5; i++) await map.put(1, i)
  const probe = new ProbeProcess(path, { sqlite: false })
  t.teardown(() => probe.abandon())
  await until(() => probe.latest.looks > 0 && probe.latest.generations > 0, 'the first look of the probe')
  return { path, db, probe }
}

async function finds(probe: ProbeProcess, what: RegExp, again: () => void): Promise<void> {
  await until(() => {
    again()
    return probe.latest.breaches.some((breach) => what.test(breach))
  }, `the breach ${what}`)
}

test('commits, checkpoints and restarts of the log are no breaches', async (t) => {
  const { db, probe } = await watched(t)
  const map = await db.map<number, number>('m')
  const { changes, generations, holds } = probe.latest
  let key = 0
  await until(() => {
    void map.put(++key % 10, key)
    void db.checkpoint({ mode: key % 2 === 0 ? 'passive' : 'restart' })
    return (
      probe.latest.changes > changes + 5 && probe.latest.generations > generations && probe.latest.holds > holds + 20
    )
  }, 'some changes, a new generation, and holds')
  await probe.end()
  t.deepEqual(probe.latest.breaches, [])
})

test('a header that changes without WRITE is found', async (t) => {
  const { path, probe } = await watched(t)
  const change = (header: Buffer) => header.writeUInt32LE(header.readUInt32LE(CHANGE_OFFSET) + 1, CHANGE_OFFSET)
  await finds(probe, /changed under WRITE, which/, () => changeHeader(path, change))
  t.pass()
})

test('a backfill that grows without CKPT is found', async (t) => {
  const { path, probe } = await watched(t)
  const release = await hold(t, path, [READ_0])
  let backfill = 0
  await finds(probe, /changed under WRITE and CKPT, which/, () => writeBackfill(path, ++backfill % 4))
  release()
  t.pass()
})

test('a backfill that grows without READ(0) is found', async (t) => {
  const { path, probe } = await watched(t)
  const release = await hold(t, path, [CKPT])
  let backfill = 0
  await finds(probe, /changed under READ\(0\), which/, () => writeBackfill(path, ++backfill % 4))
  release()
  t.pass()
})

test('a log that is started over without READ(1) to READ(4) is found', async (t) => {
  const { path, probe } = await watched(t)
  const release = await hold(t, path, [WRITE, CKPT])
  let restarts = 0
  const restart = (header: Buffer) => {
    const step = restarts++ % 2 === 0 ? 1 : -1
    header.writeUInt32LE((header.readUInt32LE(SALT_OFFSET) + step) >>> 0, SALT_OFFSET)
  }
  await finds(probe, /changed under READ\([1-4]\), which/, () => changeHeader(path, restart))
  if (restarts % 2 === 1) changeHeader(path, restart)
  release()
  t.pass()
})

test('a read mark that changes without its lock is found', async (t) => {
  const { path, probe } = await watched(t)
  for (const slot of [1, 4]) {
    const offset = READ_MARKS_OFFSET + 4 * slot
    let mark = 0
    await finds(probe, new RegExp(`changed under READ\\(${slot}\\), which`), () =>
      writeNumber(path, offset, ++mark % 4),
    )
  }
  t.pass()
})

test('a backfill that goes back is found', async (t) => {
  const { path, probe } = await watched(t)
  const release = await hold(t, path, [WRITE, CKPT, READ_0])
  let backfill = 0
  await finds(probe, /the backfill went back/, () => writeBackfill(path, 2 + (++backfill % 2)))
  release()
  t.pass()
})

test('an end mark that goes back is found', async (t) => {
  const { path, probe } = await watched(t)
  changeHeader(path, (header) => header.writeUInt32LE(header.readUInt32LE(END_MARK_OFFSET) - 1, END_MARK_OFFSET))
  await finds(probe, /the end mark went back/, () => {})
  t.pass()
})

test('copies of the header that do not agree in the end are found', async (t) => {
  const { path, probe } = await watched(t)
  const fd = openSync(`${path}-shm`, 'r+')
  const changed = Buffer.alloc(4, 0xaa)
  const sound = Buffer.alloc(4)
  readSync(fd, sound, 0, 4, END_MARK_OFFSET)
  writeSync(fd, changed, 0, 4, END_MARK_OFFSET)
  await probe.end()
  writeSync(fd, sound, 0, 4, END_MARK_OFFSET)
  closeSync(fd)
  t.regex(probe.latest.breaches.at(-1) ?? '', /its copies do not agree/)
})

test('a backfill above the end mark is found', async (t) => {
  const { path, probe } = await watched(t)
  writeBackfill(path, 1000)
  await finds(probe, /the backfill is above the end mark/, () => {})
  writeBackfill(path, 0)
  t.pass()
})
