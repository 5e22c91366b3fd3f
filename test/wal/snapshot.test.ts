/** Snapshots on the five read marks: SNAP-1 to SNAP-4, and what is cached of pages (CACHE-1). */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { HeldPages, WritePages } from '../../src/pager/index.js'
import { pageNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect, contentsOf, uniformValue } from '../support/connection.js'
import { HookedVfs } from '../support/hooked-vfs.js'
import { type Random, seededRandom } from '../support/random.js'
import { smallMaps } from '../support/small-maps.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const vfs = smallMaps(nodeVfs())
const READ_MARK_UNUSED = 0xffffffff

function newDatabase(t: ExecutionContext): string {
  return join(temporaryFolder(t), 'app.db')
}

const marks = ({ wal }: Connection) => [1, 2, 3, 4].map((slot) => wal.index.readMark(slot))

test('a held snapshot keeps its state while others commit, checkpoint and try to restart the log', (t) => {
  const path = newDatabase(t)
  const reader = connect(path, { vfs })
  const writer = connect(path, { vfs })
  writer.fillSync([2, 3, 4], 1, 'off')
  const held = reader.pager.acquire()
  const { endMark } = held.snapshot
  const salts = writer.salts()
  for (let value = 2; value <= 5; value++) {
    writer.fillSync([2, 5 + value], value, 'off')
    t.is(writer.checkpointSync().checkpointed, Number(endMark))
    t.true(writer.checkpointSync('restart').busy)
    t.true(writer.checkpointSync('truncate').busy)
    t.deepEqual(contentsOf(held), [1, 1, 1])
  }
  t.is(writer.salts(), salts)
  t.deepEqual(reader.contents(), [5, 1, 1, 0, 0, 2, 3, 4, 5])
  reader.pager.release(held)
  t.false(writer.checkpointSync('restart').busy)
  writer.fillSync([3], 9, 'off')
  t.not(writer.salts(), salts)
  t.deepEqual(reader.contents(), [5, 9, 1, 0, 0, 2, 3, 4, 5])
  reader.close()
  writer.close()
})

test('a reader that sets a mark holds its slot from before that on', (t) => {
  const path = newDatabase(t)
  const hooked = new HookedVfs(vfs)
  const reader = connect(path, { vfs: hooked })
  const writer = connect(path, { vfs })
  writer.fillSync([2, 3], 1, 'off')
  const calls: string[] = []
  hooked.hook = ({ when, operation, mode }) => {
    if (when === 'before') calls.push(mode ?? operation)
    // A checkpoint between any two of these calls finds either no mark of the reader's yet, or its lock.
    else if (writer.wal.index.readMark(1) === 3) t.false(writer.wal.locks.tryReadExclusive(1))
  }
  const held = reader.pager.acquire()
  hooked.hook = () => {}
  t.deepEqual(calls, ['exclusive', 'shared'])
  t.deepEqual([held.snapshot.slot, marks(reader)[0]], [1, 3])
  reader.pager.release(held)
  t.true(writer.wal.locks.tryReadExclusive(1))
  writer.wal.locks.releaseReadExclusive(1)
  reader.close()
  writer.close()
})

test('a reader that comes back to a state keeps the header that it knows, and sees each next one', (t) => {
  const path = newDatabase(t)
  const reader = connect(path, { vfs })
  const writer = connect(path, { vfs })
  const headerNow = () => {
    const held = reader.pager.acquire()
    const { header } = held.snapshot
    t.true(writer.wal.header.equals(header))
    reader.pager.release(held)
    return header
  }
  writer.fillSync([2, 3], 1, 'off')
  const first = headerNow()
  t.is(headerNow(), first)
  writer.fillSync([2], 2, 'off')
  const second = headerNow()
  t.not(second, first)
  t.deepEqual(reader.contents(), [2, 1])
  t.is(headerNow(), second)
  // What this connection has read for another purpose meanwhile is newer than what its reads know.
  writer.fillSync([3], 3, 'off')
  reader.salts()
  t.not(headerNow(), second)
  t.deepEqual(reader.contents(), [2, 3])
  reader.close()
  writer.close()
})

test('a reader at the end of a log that is all backfilled still keeps writers from restarting it', (t) => {
  const path = newDatabase(t)
  const reader = connect(path, { vfs })
  const writer = connect(path, { vfs })
  writer.fillSync([2, 3], 1, 'off')
  const held = reader.pager.acquire()
  t.not(held.snapshot.slot, 0)
  t.is(writer.checkpointSync().checkpointed, 3)
  const salts = writer.salts()
  for (let value = 2; value <= 6; value++) writer.fillSync([2], value, 'off')
  t.is(writer.salts(), salts)
  t.deepEqual(contentsOf(held), [1, 1])
  reader.pager.release(held)
  reader.close()
  writer.close()
})

test('readers at more end marks than there are read marks all see their own state', (t) => {
  const path = newDatabase(t)
  const writer = connect(path, { vfs })
  writer.fillSync([2, 3], 1, 'off')
  const readers = Array.from({ length: 8 }, (_, i) => {
    const connection = connect(path, { vfs })
    const held = connection.pager.acquire()
    writer.fillSync([2], i + 2, 'off')
    return { connection, held, expected: [i + 1, 1] }
  })
  const slots = readers.map(({ held }) => held.snapshot.slot)
  t.deepEqual(slots.slice(0, 4).sort(), [1, 2, 3, 4], 'the first ones take a mark each')
  t.is(marks(writer)[slots[0]! - 1], readers[0]!.held.snapshot.endMark)
  for (const { held } of readers.slice(4)) t.true(marks(writer)[held.snapshot.slot - 1]! <= held.snapshot.endMark)
  t.is(writer.checkpointSync().checkpointed, readers[0]!.held.snapshot.endMark)
  for (const { held, expected } of readers) t.deepEqual(contentsOf(held), expected)
  // Whoever goes lets the checkpoint get on.
  for (const [i, { connection, held }] of readers.entries()) {
    connection.pager.release(held)
    writer.checkpointSync()
    for (const later of readers.slice(i + 1)) t.deepEqual(contentsOf(later.held), later.expected)
    connection.close()
  }
  t.is(writer.checkpointSync().checkpointed, writer.wal.header.endMark)
  t.is(writer.close(), null)
})

test('a reader of the main file alone lets writers restart the log, and keeps checkpoints off', (t) => {
  const path = newDatabase(t)
  const reader = connect(path, { vfs })
  const writer = connect(path, { vfs })
  writer.fillSync([2, 3], 1, 'off')
  writer.checkpointSync()
  const salts = writer.salts()
  const held = reader.pager.acquire()
  t.is(held.snapshot.slot, 0)
  writer.fillSync([2], 2, 'off')
  t.not(writer.salts(), salts, 'the log was restarted')
  t.deepEqual(writer.checkpointSync(), { busy: false, log: 1, checkpointed: 0 })
  for (const mode of ['full', 'restart', 'truncate'] as const) {
    t.deepEqual(writer.checkpointSync(mode), { busy: true, log: 1, checkpointed: 0 })
  }
  t.deepEqual(contentsOf(held), [1, 1])
  t.deepEqual(reader.contents(), [2, 1], 'the same connection, at the newest state')
  t.deepEqual(contentsOf(held), [1, 1])
  reader.pager.release(held)
  t.deepEqual(writer.checkpointSync(), { busy: false, log: 1, checkpointed: 1 })
  reader.close()
  writer.close()
})

test('marks follow the readers, and a checkpoint frees those that nobody holds', (t) => {
  const path = newDatabase(t)
  const one = connect(path, { vfs })
  const two = connect(path, { vfs })
  one.fillSync([2], 1, 'off')
  one.contents()
  t.is(marks(one)[0], 2)
  one.fillSync([2], 2, 'off')
  const held = two.pager.acquire()
  t.is(one.wal.index.readMark(held.snapshot.slot), 3)
  one.fillSync([3], 3, 'off')
  const other = one.pager.acquire()
  t.not(other.snapshot.slot, held.snapshot.slot)
  one.pager.release(other)
  two.pager.release(held)
  one.checkpointSync()
  t.true(
    marks(one).every((mark) => mark === 5 || mark === READ_MARK_UNUSED),
    'nothing is held back any more',
  )
  t.is(one.pager.acquire().snapshot.slot, 0)
  one.vanish()
  two.close()
})

test('a mark that rises while a checkpoint looks at it does not take the checkpoint past its header', (t) => {
  // The checkpoint knew the log up to its end mark L and read the mark of a reader below L; before it tried the lock of that
  // slot, the reader had gone and a newer one had raised the mark past L. It took the new mark for the safe frame, dropped
  // the pages added since for being past the end of the database as of L, and published them as backfilled (SNAP-1).
  const path = newDatabase(t)
  const hooked = new HookedVfs(vfs)
  const checkpointer = connect(path, { vfs: hooked })
  const other = connect(path, { vfs })
  other.fillSync([2, 3], 1, 'off')
  let held = other.pager.acquire()
  const { slot } = held.snapshot
  other.fillSync([2], 2, 'off')
  let tries = 0
  hooked.hook = ({ when, operation, offset, mode }) => {
    if (when !== 'before' || operation !== 'tryLock' || offset !== 123 + slot || mode !== 'exclusive') return
    if (++tries > 1) return
    other.pager.release(held)
    other.fillSync([4, 5], 3, 'off')
    held = other.pager.acquire()
    t.is(held.snapshot.slot, slot, 'the mark was raised in the same slot')
  }
  const { log, checkpointed } = checkpointer.checkpointSync()
  t.is(tries, 1)
  t.true(checkpointed <= log)
  t.true(checkpointer.wal.index.backfill <= log, 'backfilled past the header that it went by')
  hooked.hook = () => {}
  other.pager.release(held)
  checkpointer.checkpointSync()
  t.deepEqual(checkpointer.contents(), [2, 1, 3, 3])
  other.close()
  t.is(checkpointer.close(), null)
  const after = connect(path, { vfs })
  t.deepEqual(after.contents(), [2, 1, 3, 3])
  after.close()
})

/** What a tree would remember of a page: here, the value it saw. */
interface Memo {
  readonly value: number
}

class World {
  readonly #random: Random
  readonly #connections: Connection[]
  readonly #held: { connection: Connection; held: HeldPages; expected: readonly number[] }[] = []
  #model: number[] = []

  constructor(path: string, random: Random) {
    this.#random = random
    this.#connections = [1, 2, 3].map(() => connect(path, { vfs, pageSize: 512 }))
  }

  step(t: ExecutionContext): void {
    const random = this.#random
    const connection = random.pick(this.#connections)
    const action = random.below(12)
    if (action < 4) this.#commit(connection)
    else if (action < 6) this.#hold(connection)
    else if (action < 7) this.#release()
    else if (action < 8) connection.checkpointSync(random.pick(['passive', 'passive', 'full', 'restart', 'truncate']))
    else if (action < 10) this.#checkHeld(t)
    else t.deepEqual(this.#read(t, connection), this.#model, 'the newest state')
  }

  end(t: ExecutionContext): void {
    for (const { held, expected } of this.#held) t.deepEqual(this.#values(t, held), expected)
    while (this.#held.length > 0) this.#release()
    for (const connection of this.#connections) t.deepEqual(this.#read(t, connection), this.#model)
    for (const connection of this.#connections) t.is(connection.close(), null)
  }

  #commit(connection: Connection): void {
    const value = this.#random.between(1, 255)
    const next = [...this.#model]
    const pages = Array.from({ length: this.#random.between(1, 6) }, () => this.#random.between(2, 25))
    const isUndone = this.#random.below(5) === 0
    try {
      connection.commits.runSync(
        (writer) => {
          for (const page of pages) this.#change(writer, next, page, value)
          if (isUndone) throw new Error('undone')
        },
        { synchronous: 'off' },
      )
      this.#model = next
    } catch (error) {
      if (!isUndone) throw error
    }
  }

  #change(writer: WritePages, next: number[], page: number, value: number): void {
    while (writer.pageCount < page) {
      writer.grow()
      next.push(0)
    }
    const dirty = writer.writable(pageNumber(page))
    dirty.bytes.fill(value)
    dirty.decoded = (this.#random.below(2) === 0 ? { value } : null) as never
    next[page - 2] = value
  }

  #hold(connection: Connection): void {
    if (this.#held.length < 9) this.#held.push({ connection, held: connection.pager.acquire(), expected: this.#model })
  }

  #release(): void {
    if (this.#held.length === 0) return
    const [gone] = this.#held.splice(this.#random.below(this.#held.length), 1)
    gone!.connection.pager.release(gone!.held)
  }

  #checkHeld(t: ExecutionContext): void {
    if (this.#held.length === 0) return
    const { held, expected } = this.#random.pick(this.#held)
    t.deepEqual(this.#values(t, held), expected, 'a held state')
  }

  #read(t: ExecutionContext, connection: Connection): number[] {
    const held = connection.pager.acquire()
    try {
      return this.#values(t, held)
    } finally {
      connection.pager.release(held)
    }
  }

  /** Reads some of the pages twice, and checks that what is remembered of each fits what it holds. */
  #values(t: ExecutionContext, { pages }: HeldPages): number[] {
    return Array.from({ length: pages.pageCount - 1 }, (_, i) => {
      const page = pages.page(pageNumber(i + 2))
      const value = uniformValue(page.bytes)
      const memo = page.decoded as unknown as Memo | null
      if (memo !== null && memo.value !== value)
        t.fail(`page ${page.number} holds ${value}, remembered as ${memo.value}`)
      page.decoded = { value } as never
      return value
    })
  }
}

for (let run = 1; run <= 4; run++) {
  test(`random commits, checkpoints and snapshots of three connections all read their own state, run ${run}`, (t) => {
    const random = seededRandom(t)
    const world = new World(newDatabase(t), random)
    for (let step = 0; step < 700; step++) world.step(t)
    world.end(t)
  })
}
