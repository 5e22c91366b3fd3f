/**
 * SNAP-6: a state taken by its name is that state, for as long as it is held, or is not to be had: whatever commits, checkpoints
 * and restarts of the log come before, between any two steps, and after.
 */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { HeldPages } from '../../src/pager/index.js'
import { nodeVfs } from '../../src/vfs/index.js'
import type { IndexHeader } from '../../src/wal/index.js'
import { type Connection, connect, contentsOf } from '../support/connection.js'
import { HookedVfs } from '../support/hooked-vfs.js'
import { seededRandom } from '../support/random.js'
import { smallMaps } from '../support/small-maps.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

interface KnownState {
  readonly name: IndexHeader
  readonly contents: readonly number[]
}

function setUp(t: ExecutionContext) {
  const path = join(temporaryFolder(t), 'app.db')
  const opened: Connection[] = []
  const open = (vfs = smallMaps(nodeVfs())): Connection => {
    const connection = connect(path, { vfs, pageSize: 1024, timeoutMs: 200 })
    opened.push(connection)
    return connection
  }
  t.teardown(() => {
    for (const connection of opened) connection.vanish()
  })
  return { path, open }
}

/** Commits, and notes the state that this made. */
function commit(writer: Connection, pages: readonly number[], value: number): KnownState {
  writer.fillSync(pages, value, 'off')
  return { name: writer.wal.header.clone(), contents: writer.contents() }
}

/** The state if it can be had; a checkpoint of another that is under way says so. */
function acquirePast(reader: Connection, name: IndexHeader): HeldPages | null {
  try {
    return reader.pager.acquirePast(name)
  } catch (error) {
    if ((error as { code?: string }).code === 'ENDMARK_BUSY') return null
    throw error
  }
}

test('all states of a log can be had until one later than they is copied', (t) => {
  const { open } = setUp(t)
  const [writer, reader, checkpointer] = [open(), open(), open()]
  const states = [1, 2, 3, 4, 5, 6].map((value) => commit(writer, [2, 2 + value], value))
  const found = () =>
    states.map(({ name, contents }) => {
      const held = reader.pager.acquirePast(name)
      if (held === null) return false
      t.deepEqual(contentsOf(held), contents)
      reader.pager.release(held)
      return true
    })
  t.deepEqual(found(), Array(6).fill(true))
  const held = reader.pager.acquirePast(states[3]!.name)!
  t.true(checkpointer.checkpointSync('full').busy)
  t.is(Number(writer.wal.index.backfill), states[3]!.name.endMark, 'it is held like any other snapshot')
  t.deepEqual(contentsOf(held), states[3]!.contents)
  t.deepEqual(found(), [false, false, false, true, true, true])
  reader.pager.release(held)
  checkpointer.checkpointSync('full')
  t.deepEqual(found(), [false, false, false, false, false, true])
  const next = commit(writer, [2], 7)
  t.deepEqual(found(), Array(6).fill(false), 'the log was started over')
  t.deepEqual(contentsOf(reader.pager.acquirePast(next.name)!), next.contents)
})

test('a name with another checksum or salt, or of a state that is not committed, is not found', (t) => {
  const { open } = setUp(t)
  const [writer, reader] = [open(), open()]
  const first = commit(writer, [2, 3, 4], 1)
  commit(writer, [2], 2)
  const changed = (change: (header: IndexHeader) => void) => {
    const header = first.name.clone()
    change(header)
    return reader.pager.acquirePast(header)
  }
  t.is(
    changed((header) => header.setFrameChecksum(header.frameChecksum1 ^ 1, header.frameChecksum2)),
    null,
  )
  t.is(
    changed((header) => header.setSalts(header.salt1, header.salt2 ^ 1)),
    null,
  )
  t.is(
    changed((header) => header.advance((header.endMark - 1) as never, 0)),
    null,
    'no commit frame',
  )
  t.is(
    changed((header) => header.advance((header.endMark + 7) as never, 0)),
    null,
    'past the end',
  )
  t.is(
    changed((header) => header.setSalts(0, 0)),
    null,
  )
})

/** What others do between two steps. */
const INTRUSIONS: Readonly<Record<string, (other: Connection) => void>> = {
  'a commit and a passive checkpoint': (other) => {
    commit(other, [2, 3], 77)
    other.checkpointSync()
  },
  'a full checkpoint, and a commit that starts the log over': (other) => {
    other.checkpointSync('full')
    commit(other, [2, 3, 4, 5], 78)
  },
  'a truncating checkpoint and two commits': (other) => {
    other.checkpointSync('truncate')
    commit(other, [4], 79)
    commit(other, [5], 80)
    other.checkpointSync()
  },
}

for (const isHeld of [true, false]) {
  for (const isBackfilled of [true, false]) {
    for (const [title, intrude] of Object.entries(INTRUSIONS)) {
      const who = isHeld ? 'while somebody holds it' : 'held by nobody'
      const where = isBackfilled ? 'in the main file' : 'in the log'
      test(`a state ${where}, ${who}, with ${title} at each step`, (t) => {
        let steps = 1
        let acquired = 0
        for (let step = 0; step <= steps; step++) {
          const { open } = setUp(t)
          const [writer, other] = [open(), open()]
          commit(writer, [2, 3, 4, 5], 1)
          const state = commit(writer, [3], 2)
          if (isBackfilled) writer.checkpointSync('full')
          const first = isHeld ? writer.pager.acquire() : null
          t.true(first?.snapshot.tryKeepGeneration() ?? true)
          if (!isBackfilled) commit(writer, [4], 3)
          const hooked = new HookedVfs(smallMaps(nodeVfs()))
          const reader = open(hooked)
          let seen = 0
          hooked.hook = () => {
            if (seen++ === step) intrude(other)
          }
          const held = acquirePast(reader, state.name)
          hooked.hook = () => {}
          steps = Math.max(steps, seen)
          if (held !== null) {
            acquired++
            t.deepEqual(contentsOf(held), state.contents)
            intrude(other)
            // Read again, from nothing that is kept in memory.
            if (first !== null) writer.pager.release(first)
            intrude(other)
            const again = open().pager.acquirePast(state.name)
            t.deepEqual(contentsOf(held), state.contents)
            t.not(again, null, 'whoever has it by name keeps it for others')
            t.deepEqual(contentsOf(again!), state.contents)
          }
        }
        t.true(steps >= 6, `${steps} steps`)
        if (isHeld) t.is(acquired, steps + 1)
        else t.true(acquired > 0)
      })
    }
  }
}

test('a SQLite that starts the log over without CKPT, at each step, leaves no wrong state behind', (t) => {
  let steps = 1
  for (let step = 0; step <= steps; step++) {
    const { path, open } = setUp(t)
    const writer = open()
    commit(writer, [2, 3, 4, 5], 1)
    const state = commit(writer, [3], 2)
    writer.checkpointSync('full')
    const hooked = new HookedVfs(smallMaps(nodeVfs()))
    const reader = open(hooked)
    let seen = 0
    hooked.hook = () => {
      if (seen++ !== step) return
      sqliteNow(path, (db) => {
        db.pragma('user_version = 5')
        db.pragma('wal_checkpoint(passive)')
      })
    }
    const held = acquirePast(reader, state.name)
    hooked.hook = () => {}
    steps = Math.max(steps, seen)
    if (held !== null) t.deepEqual(contentsOf(held), state.contents)
  }
  t.true(steps >= 6)
})

test('random commits, checkpoints, crashes and holders: a state taken by name is always the right one', (t) => {
  const random = seededRandom(t)
  let found = 0
  let missed = 0
  for (let round = 0; round < 40; round++) {
    const { open } = setUp(t)
    const connections = [open(), open(), open()]
    const states: KnownState[] = []
    let held: { connection: Connection; pages: HeldPages; state: KnownState }[] = []
    for (let step = 0; step < 60; step++) {
      const connection = random.pick(connections)
      const what = random.below(10)
      if (what < 4) {
        const pages = Array.from({ length: random.between(1, 3) }, () => random.between(2, 9))
        states.push(commit(connection, [...new Set(pages)], random.between(1, 255)))
      } else if (what < 6) {
        connection.checkpointSync(random.pick(['passive', 'full', 'restart', 'truncate']))
      } else if (what < 9 && states.length > 0) {
        const state = states[states.length - 1 - random.below(Math.min(states.length, 4))]!
        const pages = acquirePast(connection, state.name)
        if (pages === null) missed++
        else held.push({ connection, pages, state })
      } else if (held.length > 0) {
        const [one] = held.splice(random.below(held.length), 1)
        one!.connection.pager.release(one!.pages)
      }
      for (const { pages, state } of held) t.deepEqual(contentsOf(pages), state.contents)
      found += held.length
    }
    for (const { connection, pages } of held) connection.pager.release(pages)
    held = []
  }
  t.log(`${found} found, ${missed} missed`)
  t.true(found > 50 && missed > 0, 'both happen')
})

/**
 * A process died after it had put `backfill` and `backfillAttempted` back for the new log, and before it published that: the old
 * log then claimed that nothing of it had been copied, and earlier states of it were given out with later pages.
 */
test('a past state is not to be had again because someone died while starting the log over', (t) => {
  const { open } = setUp(t)
  const [writer, reader, checkpointer] = [open(), open(), open()]
  const early = commit(writer, [2, 3], 1)
  commit(writer, [3], 2)
  checkpointer.checkpointSync('full')
  const dying = open()
  dying.wal.index.publish = () => {
    throw new Error('killed')
  }
  t.throws(() => dying.fillSync([2], 3), { message: 'killed' })
  dying.vanish()
  t.is(Number(writer.wal.index.backfill), 0, 'it had begun')
  t.is(acquirePast(reader, early.name), null)
})
