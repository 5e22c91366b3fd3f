/**
 * The process that watches the -shm of a run from outside, for breaches of the locks: it reads the bytes of the file and
 * takes byte-range locks, with no line of the engine. It is no connection: it has no lock on the main file, and the files may be
 * removed under it.
 *
 * While it holds a lock, what that lock protects cannot change, by whoever. (It holds DMS as well for that moment: a
 * connection that comes first would empty the file.)
 *
 * - WRITE: the header, the generation of the log, its end mark;
 * - WRITE and CKPT: the backfill as well (INDEX-1, WAL-1);
 * - a shared READ(1) to READ(4): the generation of a log that is not empty, and that read mark (SNAP-2);
 * - a shared READ(0): the backfill does not grow (SNAP-1).
 *
 * And at every look, whoever holds what: within one generation neither end mark nor backfill goes back, and the backfill is not above the
 * end mark. A rebuilt index starts over with its backfill at 0; SQLite starts a generation with the backfill of the one before
 * for a moment (WAL-6), so with SQLite that is not looked at while the log is empty.
 *
 * It cannot see a lock that is missing for less than the time between two of its looks, unless something happens meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ProbeReport } from './messages.js'
import { ShmWatch, type Sight } from './shm-watch.js'

const WRITE = 120
const CKPT = 121
const READ_0 = 123
const READ_SLOTS = 5
const DMS = 128
/** How long a hold lasts: writers wait meanwhile. */
const HOLD_MS = 1
const LOOKS_BETWEEN_HOLDS = 20
/** A last opener may still be at it. */
const END_TRIES = 500
const REPORT_EVERY_MS = 250
const BREACHES_MAX = 50

interface Hold {
  readonly name: string
  readonly bytes: readonly number[]
  readonly isShared: boolean
  /** What must not be, from the first to the last look of the hold. */
  readonly breach: (before: Sight, after: Sight) => boolean
}

const isOtherGeneration = (a: Sight, b: Sight): boolean => a.generation !== b.generation

const HOLDS: readonly Hold[] = [
  { name: 'WRITE', bytes: [WRITE], isShared: false, breach: (a, b) => a.header !== b.header },
  {
    name: 'WRITE and CKPT',
    bytes: [WRITE, CKPT],
    isShared: false,
    breach: (a, b) => a.header !== b.header || a.backfill !== b.backfill,
  },
  {
    name: 'READ(0)',
    bytes: [READ_0],
    isShared: true,
    breach: (a, b) => !isOtherGeneration(a, b) && b.backfill > a.backfill,
  },
  ...Array.from({ length: READ_SLOTS - 1 }, (_, index): Hold => {
    const slot = index + 1
    return {
      name: `READ(${slot})`,
      bytes: [READ_0 + slot],
      isShared: true,
      breach: (a, b) => (a.endMark > 0 && isOtherGeneration(a, b)) || a.readMarks[slot] !== b.readMarks[slot],
    }
  }),
]

const [path = '', sqlite = 'false'] = process.argv.slice(2)
const watch = new ShmWatch(`${path}-shm`)
const counts = { looks: 0, changes: 0, generations: 0, holds: 0 }
const breaches: string[] = []
let last: Sight | null = null
let isEnding = false

process.on('disconnect', () => process.exit())
process.once('message', () => {
  isEnding = true
})
const timer = setInterval(report, REPORT_EVERY_MS)
for (let round = 0; !isEnding; round++) {
  for (let looks = 0; looks < LOOKS_BETWEEN_HOLDS; looks++) compare(watch.look())
  await hold(HOLDS[round % HOLDS.length]!)
  await delay(HOLD_MS)
}
await checkEnd()
clearInterval(timer)
report()
process.disconnect()

/** Holds the locks for a while and compares what the file shows at both ends. */
async function hold({ name, bytes, isShared, breach }: Hold): Promise<void> {
  const isAttached = watch.tryLock(DMS, true)
  const locked = isAttached ? bytes.filter((byte) => watch.tryLock(byte, isShared)) : []
  const before = locked.length === bytes.length ? watch.look() : null
  if (before !== null) await delay(HOLD_MS)
  const after = before === null ? null : watch.look()
  for (const byte of locked) watch.unlock(byte)
  if (isAttached) watch.unlock(DMS)
  if (before === null || after === null) return
  counts.holds++
  if (before.file === after.file && breach(before, after)) {
    blame(`changed under ${name}, which the probe held: ${describe(before)} became ${describe(after)}`)
  }
}

function compare(sight: Sight | null): void {
  counts.looks++
  if (sight === null) return
  if (sight.header !== last?.header) counts.changes++
  if (sight.generation !== last?.generation) counts.generations++
  else if (sight.file === last.file) {
    if (sight.endMark < last.endMark) blame(`the end mark went back: ${describe(last)} became ${describe(sight)}`)
    if (sight.backfill < last.backfill && sight.backfill !== 0) {
      blame(`the backfill went back: ${describe(last)} became ${describe(sight)}`)
    }
  }
  const isLeftOver = sqlite === 'true' && sight.endMark === 0
  if (sight.backfill > sight.endMark && !isLeftOver) blame(`the backfill is above the end mark: ${describe(sight)}`)
  last = sight
}

/** The coordinator has opened and read the database, and nothing was written since: whatever a kill left half done has been mended. */
async function checkEnd(): Promise<void> {
  for (let tries = 0; tries < END_TRIES; tries++) {
    if (watch.isGone || watch.look() !== null) return
    await delay(HOLD_MS)
  }
  blame('the header is not readable in the end: its copies do not agree')
}

function blame(what: string): void {
  if (breaches.length < BREACHES_MAX) breaches.push(what)
}

function describe({ generation, endMark, backfill, readMarks }: Sight): string {
  return `generation ${generation}, end mark ${endMark}, backfill ${backfill}, read marks ${readMarks.join(' ')}`
}

function report(): void {
  if (process.connected) process.send?.({ ...counts, breaches } satisfies ProbeReport)
}
