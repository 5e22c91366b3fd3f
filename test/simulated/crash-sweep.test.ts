/**
 * The power is cut before every call that changes the disk, while a scripted workload runs, and several damages of each
 * such moment are recovered from (WAL-2, WAL-3, WAL-5, DUR-1, DUR-2). What must be there is known from a model: in mode
 * full all that was acknowledged, perhaps with the commit in flight; in mode normal the commits up to some point,
 * not before the last checkpoint. ENDMARK_TEST_FULL=1 tries more damages.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Synchronous } from '../../src/units.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { type Random, seededRandom } from '../support/random.js'
import { askSqlite } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { assertRecovers, CrashCollector, type CrashImage } from './crash-image.js'
import { PATH, startProcess } from './simulated-database.js'
import { STEPS, Worker } from './workload.js'

const DAMAGES = process.env.ENDMARK_TEST_FULL === '1' ? 40 : 5

/** The workload with the power cut everywhere; `visit` gets each image with the contents it may hold. */
async function sweep(
  random: Random,
  { synchronous, damages }: { readonly synchronous: Synchronous; readonly damages: number },
  visit: (image: CrashImage, isAllowed: (contents: string) => boolean) => Promise<void>,
): Promise<number> {
  const disk = new SimulatedDisk()
  const vfs = startProcess(disk, random.next32())
  const collector = new CrashCollector(disk, random, damages)
  vfs.machine.hook = collector.hook
  const worker = new Worker(vfs, synchronous)
  const history = ['']
  let durableFrom = 0
  for (const step of STEPS) {
    const before = history.length - 1
    await step.run(worker)
    collector.cut('after it')
    const after = worker.model.text()
    if (after !== history.at(-1)) history.push(after)
    const done = history.length - 1
    for (const image of collector.take()) {
      const isDone = image.at === 'after it'
      const first = synchronous === 'normal' ? durableFrom : isDone ? done : before
      const allowed = history.slice(isDone && step.isCheckpoint ? done : first)
      const named = { ...image, at: `in the step "${step.title}", ${image.at}` }
      await visit(named, (contents) => allowed.includes(contents))
    }
    if (step.isCheckpoint) durableFrom = done
  }
  return collector.points
}

for (const synchronous of ['full', 'normal'] as const) {
  test(`mode ${synchronous}: what may be relied on is there whenever the power is cut`, async (t) => {
    const random = seededRandom(t)
    let images = 0
    const points = await sweep(random, { synchronous, damages: DAMAGES }, async (image, isAllowed) => {
      await assertRecovers(image, isAllowed, random)
      images++
    })
    t.log(`${points} points, ${images} images`)
    t.true(points > 80)
  })
}

test('the power is cut again while the database is being recovered', async (t) => {
  const random = seededRandom(t)
  let count = 0
  let second = 0
  await sweep(random, { synchronous: 'full', damages: 1 }, async (image, isAllowed) => {
    if (count++ % 8 !== 0 && DAMAGES < 10) return
    const collector = new CrashCollector(image.disk, random, 1)
    const contents = await assertRecovers(image, isAllowed, random, collector.hook)
    const after = contents === '' ? [] : [`${contents}\n`]
    const mayHold = (found: string) => found === contents || `${found}\n`.startsWith(`${after[0] ?? ''}after: `)
    for (const again of collector.take()) {
      await assertRecovers({ ...again, at: `${image.at}, then ${again.at}` }, mayHold, random)
      second++
    }
  })
  t.log(`${second} images of recoveries that were cut short`)
  t.true(second > 100)
})

/** What SQLite says of the databases at these paths; their contents as `contentsOf` has them. */
function readWithSqlite(t: ExecutionContext, paths: readonly string[]) {
  return askSqlite(
    t,
    paths[0]!,
    (db, all) => {
      const Sqlite = db.constructor as unknown as new (path: string) => typeof db
      return all.map((path) => {
        const copy = new Sqlite(path)
        const integrity = String(copy.pragma('integrity_check', { simple: true }))
        const names = copy.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid").pluck().all()
        const texts = names.map((name) => {
          const rows = copy.prepare(`SELECT * FROM ${name}`).raw(name === 'entries')
          return `${name}: ${JSON.stringify(rows.all())}`
        })
        copy.close()
        return { integrity, contents: texts.join('\n') }
      })
    },
    [...paths],
  )
}

test('SQLite finds every database whole, with what may be relied on, that a power loss has left', async (t) => {
  const folder = temporaryFolder(t)
  const written: { readonly path: string; readonly at: string; readonly isAllowed: (contents: string) => boolean }[] =
    []
  let count = 0
  await sweep(seededRandom(t), { synchronous: 'full', damages: 1 }, async ({ disk, at }, isAllowed) => {
    const files = disk.contents()
    if (count++ % 2 !== 0 || !files.has(PATH)) return
    const home = join(folder, String(count))
    mkdirSync(home)
    // Not the -shm: what a power loss leaves of it is of no use to anyone, and the first opener empties it.
    for (const end of ['', '-wal']) {
      const bytes = files.get(PATH + end)
      if (bytes !== undefined) writeFileSync(join(home, `app.db${end}`), bytes)
    }
    written.push({ path: join(home, 'app.db'), at, isAllowed })
  })
  const found = await readWithSqlite(
    t,
    written.map(({ path }) => path),
  )
  for (const [i, { integrity, contents }] of found.entries()) {
    const { at, isAllowed } = written[i]!
    t.is(integrity, 'ok', at)
    t.true(isAllowed(contents), `${at}: ${contents.slice(0, 1000)}`)
  }
  t.log(`${found.length} files`)
  t.true(found.length > 40)
})
