/**
 * TXN-8, a batch that is prepared while the one before it syncs: it sees what the first one did, is written behind it, synced and
 * published after it, and shares its fate if that fails. Each test forces the moment: the second pair of commits is asked for
 * when the sync of the first pair begins.
 */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { WritePages } from '../../src/pager/index.js'
import { pageNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect, fillPages } from '../support/connection.js'
import { failOn, type Hook, HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { readLogFile } from '../support/independent-wal-reader.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const FULL = { synchronous: 'full' } as const
const ENOSPC = 28

interface Pipeline {
  readonly path: string
  readonly hooked: HookedVfs
  readonly connection: Connection
}

/** Pages 2 to 5 hold 1; the log is longer than what follows needs. */
async function setUp(t: ExecutionContext): Promise<Pipeline> {
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(nodeVfs())
  // Time stands still: nothing here depends on how long something takes.
  hooked.now = () => 0
  const connection = connect(path, { vfs: hooked, pageSize: 512 })
  t.teardown(() => {
    hooked.hook = () => {}
    connection.vanish()
  })
  await connection.fill([2, 3, 4, 5], 1)
  return { path, hooked, connection }
}

const isLogSync = ({ operation, path }: VfsEvent) => operation === 'datasync' && path.endsWith('-wal')
const isLogWrite = ({ operation, path }: VfsEvent) => operation === 'write' && path.endsWith('-wal')

/** Commits `first` and, while that syncs, `second`, two transactions each. @returns what became of all four */
async function commitTwice(
  { hooked, connection }: Pipeline,
  [first, second]: readonly [readonly Commit[], readonly Commit[]],
  hook: Hook = () => {},
): Promise<PromiseSettledResult<unknown>[]> {
  let behind: Promise<unknown>[] | null = null
  const ask = (commits: readonly Commit[]) => commits.map((work) => connection.commits.run(work, FULL))
  hooked.hook = (event) => {
    if (behind === null && event.when === 'before' && isLogSync(event)) behind = ask(second)
    hook(event)
  }
  const results = await Promise.allSettled(ask(first))
  return results.concat(await Promise.allSettled(behind ?? []))
}

type Commit = (pages: WritePages) => unknown

const fill =
  (pages: readonly number[], value: number): Commit =>
  (writer) =>
    fillPages(writer, pages, value)

/** Adds one to the byte that fills page 2. */
const increment: Commit = (pages) => {
  const { bytes } = pages.writable(pageNumber(2))
  bytes.fill(bytes[0]! + 1)
  return bytes[0]
}

const throwing: Commit = () => {
  throw new Error('my own')
}

test('the next batch is written while the first one syncs, and synced and published after it', async (t) => {
  const pipeline = await setUp(t)
  const calls: string[] = []
  const results = await commitTwice(
    pipeline,
    [
      [increment, increment],
      [increment, increment],
    ],
    (event) => {
      if (isLogWrite(event) && event.when === 'before') calls.push('write')
      if (isLogSync(event))
        calls.push(event.when === 'before' ? 'sync' : `synced, page 2 holds ${pipeline.connection.valueOf(2)}`)
    },
  )
  t.deepEqual(calls, ['write', 'sync', 'write', 'synced, page 2 holds 1', 'sync', 'synced, page 2 holds 3'])
  t.deepEqual(
    results.map((result) => (result as PromiseFulfilledResult<number>).value),
    [2, 3, 4, 5],
  )
  t.is(pipeline.connection.valueOf(2), 5)
  const { frames } = readLogFile(`${pipeline.path}-wal`)!
  t.deepEqual(
    frames.slice(-2).map(({ page, image, commitMark }) => [page, image[0], commitMark]),
    [
      [2, 3, 5],
      [2, 5, 5],
    ],
  )
})

test('nobody hears of the first batch before it is published, nor of the second before that is', async (t) => {
  const pipeline = await setUp(t)
  const other = connect(pipeline.path)
  const seen: number[] = []
  const note = (): void => void seen.push(other.valueOf(2))
  let behind: Promise<unknown>[] = []
  pipeline.hooked.hook = (event) => {
    if (behind.length > 0 || event.when !== 'before' || !isLogSync(event)) return
    behind = [2, 3].map(() => pipeline.connection.commits.run(increment, FULL).then(note))
  }
  await Promise.all([2, 3].map(() => pipeline.connection.commits.run(increment, FULL).then(note)))
  await Promise.all(behind)
  t.deepEqual(seen, [3, 3, 5, 5])
  other.close()
})

test('a batch behind one that grows the database, frees and allocates, goes on from there', async (t) => {
  const pipeline = await setUp(t)
  const free: Commit = (pages) => pages.free(pageNumber(4))
  const take: Commit = (pages) => {
    const page = pages.allocate()
    page.bytes.fill(7)
    return page.number
  }
  const results = await commitTwice(pipeline, [
    [fill([6, 7], 2), free],
    [take, fill([8], 3)],
  ])
  t.is((results[2] as PromiseFulfilledResult<number>).value, 4)
  const contents = [1, 1, 7, 1, 2, 2, 3]
  t.deepEqual(pipeline.connection.contents(), contents)
  const other = connect(pipeline.path)
  t.deepEqual(other.contents(), contents)
  other.close()
})

test('when the first sync fails both are rejected, also who failed on a state that never was, and no recovery finds them', async (t) => {
  const pipeline = await setUp(t)
  const results = await commitTwice(
    pipeline,
    [
      [increment, throwing],
      [increment, throwing],
    ],
    failOn(isLogSync),
  )
  t.like(results[0], { status: 'rejected', reason: { code: 'ENDMARK_IO' } })
  t.like(results[1], { status: 'rejected', reason: { message: 'my own' } })
  t.like(results[2], { status: 'rejected', reason: { code: 'ENDMARK_IO' } })
  t.like(results[3], { status: 'rejected', reason: { code: 'ENDMARK_IO' } })
  t.is(pipeline.connection.valueOf(2), 1)
  await t.throwsAsync(pipeline.connection.fill([2], 9), { code: 'ENDMARK_IO' })
  t.deepEqual(recovered(pipeline), [1, 1, 1, 1])
})

test('when the second sync fails the first batch stays, and the second is rejected', async (t) => {
  const pipeline = await setUp(t)
  const results = await commitTwice(
    pipeline,
    [
      [increment, increment],
      [increment, throwing],
    ],
    failOn((event) => isLogSync(event) && event.when === 'before', { nth: 2 }),
  )
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'rejected'],
  )
  t.like(results[2], { reason: { code: 'ENDMARK_IO' } })
  t.like(results[3], { reason: { message: 'my own' } })
  t.is(pipeline.connection.valueOf(2), 3)
  t.deepEqual(recovered(pipeline), [3, 1, 1, 1])
})

test('when the second batch cannot be written the first one stays, and commits go on', async (t) => {
  const pipeline = await setUp(t)
  const { connection } = pipeline
  const full = failOn((event) => isLogWrite(event), { nth: 2, errno: ENOSPC })
  const results = await commitTwice(
    pipeline,
    [
      [increment, increment],
      [increment, throwing],
    ],
    full,
  )
  t.like(results[1], { status: 'fulfilled', value: 3 })
  t.like(results[2], { status: 'rejected', reason: { code: 'ENDMARK_IO' } })
  t.like(results[3], { status: 'rejected', reason: { message: 'my own' } })
  await connection.fill([3], 8)
  t.deepEqual(connection.contents(), [3, 8, 1, 1])
  t.deepEqual(recovered(pipeline), [3, 8, 1, 1])
})

test('when the second batch cannot be begun its callers hear of it, the first one is published, and commits go on', async (t) => {
  const pipeline = await setUp(t)
  const { pager } = pipeline.connection
  const beginBehind = pager.beginBehind.bind(pager)
  pager.beginBehind = () => {
    pager.beginBehind = beginBehind
    throw new Error('no second batch')
  }
  const results = await commitTwice(pipeline, [
    [increment, increment],
    [increment, increment],
  ])
  t.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason))),
    [2, 3, 'Error: no second batch', 'Error: no second batch'],
  )
  t.is(await pipeline.connection.commits.run(increment, FULL), 4)
})

test('a process that dies at any call of two such batches leaves the first, both or none', async (t) => {
  const states = new Set<string>()
  for (let nth = 1; nth <= 12; nth++) {
    const pipeline = await setUp(t)
    const copy: { contents: readonly number[] | null } = { contents: null }
    let count = 0
    await commitTwice(
      pipeline,
      [
        [fill([2, 3], 2), increment],
        [fill([4, 5], 4), increment],
      ],
      (event) => {
        if (!event.path.endsWith('-wal') || ++count !== nth) return
        copy.contents = recovered(pipeline)
      },
    )
    if (copy.contents === null) continue
    states.add(copy.contents.join())
  }
  t.deepEqual([...states].sort(), ['1,1,1,1', '3,2,1,1', '4,2,4,4'])
})

test('work between two batches waits for both, and comes before the third', async (t) => {
  const pipeline = await setUp(t)
  const { connection } = pipeline
  const order: string[] = []
  let between: Promise<void> | null = null
  await commitTwice(
    pipeline,
    [
      [increment, increment],
      [increment, increment],
    ],
    (event) => {
      if (event.when !== 'before' || !isLogSync(event) || between !== null) return
      between = connection.commits.between(
        async () => void order.push(`between, page 2 holds ${connection.valueOf(2)}`),
      )
      void connection.fill([2], 9).then(() => order.push('third'))
    },
  )
  await between
  await connection.commits.drain()
  t.is(order.at(-1), 'third')
  t.is(order.length, 2)
})

/** What a newcomer finds who knows only the files: the -shm of the living is not there. */
function recovered({ path, hooked }: Pipeline): number[] {
  const { hook } = hooked
  hooked.hook = () => {}
  const folder = `${path}-copy`
  const vfs = nodeVfs()
  for (const suffix of ['', '-wal']) {
    const from = vfs.open(`${path}${suffix}`, { create: false })
    const bytes = new Uint8Array(from.size())
    from.read(bytes, 0)
    from.close()
    const to = vfs.open(`${folder}${suffix}`, { create: true })
    to.truncate(0)
    to.write([bytes], 0)
    to.close()
  }
  const connection = connect(folder, { pageSize: 512 })
  const contents = connection.contents()
  connection.close()
  hooked.hook = hook
  return contents
}

test('who must be brief holds WRITE over no turn of the event loop, and says when the disk is too slow for that', async (t) => {
  const { hooked, connection } = await setUp(t)
  let nowMs = 0
  hooked.now = () => nowMs
  connection.commits.keepBrief(true)
  t.false(connection.commits.isSlow)
  let isHeld = false
  let turns = 0
  const watchWrite: Hook = ({ when, operation, mode, path, offset }) => {
    if (!path.endsWith('-shm') || offset !== 120) return
    if (operation === 'unlock' && when === 'before') isHeld = false
    if (operation !== 'tryLock' || when !== 'after' || mode !== 'exclusive') return
    isHeld = true
    setImmediate(() => {
      if (isHeld) turns++
    })
  }
  const fillAll = (round: number) => Promise.all([2, 3, 4, 5].map((page) => connection.fill([page], round)))
  hooked.hook = watchWrite
  for (let round = 0; round < 5; round++) await fillAll(round)
  t.is(turns, 0)
  hooked.hook = (event) => {
    watchWrite(event)
    if (isLogSync(event) && event.when === 'after') nowMs += 5
  }
  await connection.fill([2], 7)
  t.false(connection.commits.isSlow, 'one slow sync is none')
  for (let round = 0; round < 20 && !connection.commits.isSlow; round++) await connection.fill([2], 7)
  t.true(connection.commits.isSlow)
  // What is too large to be sent, say, is committed directly all the same.
  for (let round = 0; round < 5; round++) await fillAll(round)
  t.is(turns, 0)
  nowMs += 2000
  t.false(connection.commits.isSlow)
})
