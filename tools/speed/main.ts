/**
 * A quick comparison with better-sqlite3 in one run, as ratios: random point reads of a map, one-row durable commits of
 * one caller, and of many callers in one process. Rounds alternate between the two and medians are compared, since
 * machines are noisy. Values change with every commit.
 *
 *   node dist/tools/speed/main.js [--rows 1000000] [--rounds 5] [--seconds 1]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Sqlite from 'better-sqlite3'
import { open } from '../../src/index.js'

const VALUE_SIZE_BYTES = 100
const CALLERS = 64
const READS_PER_CHECK = 1000

const { values: given } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
  },
})
const rowCount = Number(given.rows)
const roundCount = Number(given.rounds)
const roundMs = Number(given.seconds) * 1000

const keyOf = (row: number) => row.toString(16).padStart(16, '0')

/** Made before the rounds, so that they time the engines and not the making of keys. */
class RandomKeys {
  readonly #keys: readonly string[]
  #next = 0

  constructor(count: number) {
    let state = 0x9e3779b9
    this.#keys = Array.from({ length: count }, () => {
      // xorshift32
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return keyOf((state >>> 0) % rowCount)
    })
  }

  next(): string {
    this.#next = (this.#next + 1) % this.#keys.length
    return this.#keys[this.#next]!
  }
}

let valueCounter = 0
function nextValue(): Uint8Array {
  const value = Buffer.alloc(VALUE_SIZE_BYTES)
  value.writeUInt32LE(valueCounter++)
  return value
}

interface Side {
  load(keys: readonly string[]): Promise<void>
  read(key: string): Uint8Array | undefined
  write(key: string, value: Uint8Array): Promise<void> | void
  close(): Promise<void> | void
}

async function endmarkSide(path: string): Promise<Side> {
  const db = await open(path, { synchronous: 'full' })
  const map = await db.map<string, Uint8Array>('kv', { key: 'text', value: 'blob' })
  return {
    load: (keys) =>
      db.transaction((tx) => {
        for (const key of keys) tx.put(map, key, nextValue())
      }),
    read: (key) => map.get(key),
    write: (key, value) => map.put(key, value),
    close: () => db.close(),
  }
}

function sqliteSide(path: string): Side {
  const db = new Sqlite(path)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('CREATE TABLE kv(key TEXT NOT NULL PRIMARY KEY, value BLOB) WITHOUT ROWID')
  const put = db.prepare('INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
  const get = db.prepare('SELECT value FROM kv WHERE key = ?').pluck()
  return {
    load: async (keys) =>
      db.transaction(() => {
        for (const key of keys) put.run(key, nextValue())
      })(),
    read: (key) => get.get(key) as Uint8Array | undefined,
    write: (key, value) => void put.run(key, value),
    close: () => void db.close(),
  }
}

/** Calls per second over one round. */
async function rate(round: (isOver: () => boolean) => Promise<number> | number): Promise<number> {
  const start = performance.now()
  const count = await round(() => performance.now() - start >= roundMs)
  return (count / (performance.now() - start)) * 1000
}

function readRound(side: Side, random: RandomKeys) {
  return (isOver: () => boolean) => {
    let count = 0
    while (!isOver()) {
      for (let i = 0; i < READS_PER_CHECK; i++) {
        if (side.read(random.next())?.length !== VALUE_SIZE_BYTES) throw new Error('a value is missing')
      }
      count += READS_PER_CHECK
    }
    return count
  }
}

function writeRound(side: Side, random: RandomKeys, callers: number) {
  return async (isOver: () => boolean) => {
    let count = 0
    const caller = async () => {
      while (!isOver()) {
        await side.write(random.next(), nextValue())
        count++
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
    return count
  }
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1]!

type Workload = (side: Side) => (isOver: () => boolean) => Promise<number> | number

async function compare(name: string, sides: [Side, Side], workloads: [Workload, Workload]): Promise<void> {
  const rates: [number[], number[]] = [[], []]
  for (let round = 0; round < roundCount; round++) {
    for (const which of [0, 1] as const) rates[which].push(await rate(workloads[which](sides[which])))
  }
  const [ours, theirs] = [median(rates[0]), median(rates[1])]
  const figures = `endmark ${Math.round(ours)}/s, better-sqlite3 ${Math.round(theirs)}/s`
  process.stdout.write(`${name}: ${(ours / theirs).toFixed(2)} x  (${figures})\n`)
}

const folder = mkdtempSync(join(tmpdir(), 'endmark-speed-'))
try {
  const sides: [Side, Side] = [await endmarkSide(join(folder, 'endmark.db')), sqliteSide(join(folder, 'sqlite.db'))]
  const keys = Array.from({ length: rowCount }, (_, row) => keyOf(row))
  for (const side of sides) await side.load(keys)
  const random = new RandomKeys(1_000_000)
  const read: Workload = (side) => readRound(side, random)
  const writeBy =
    (callers: number): Workload =>
    (side) =>
      writeRound(side, random, callers)
  await compare('random point reads, autocommit', sides, [read, read])
  await compare('one-row durable commits, 1 caller', sides, [writeBy(1), writeBy(1)])
  await compare(`one-row durable commits, ${CALLERS} callers`, sides, [writeBy(CALLERS), writeBy(1)])
  for (const side of sides) await side.close()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
