/**
 * A process killed before every single operation on files: what was acknowledged is there afterwards, what was not is
 * there wholly or not at all (WAL-2, WAL-3, WAL-4), and everyone can go on. Killed after an operation is killed before the
 * next one: what lies between two are stores to the map of the wal-index, and those a later one must see.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pageNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect, uniformValue } from '../support/connection.js'
import { startReferee } from '../support/referee.js'
import { mayHold, SCENARIOS, type Scenario, Stage } from '../support/scenarios.js'
import { smallMaps } from '../support/small-maps.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const vfs = smallMaps(nodeVfs())

/** Runs the scenario and ends its process before operation `at`. @returns whether there was such an operation */
async function runUntil(stage: Stage, { run }: Pick<Scenario, 'run'>, at: number): Promise<boolean> {
  let operations = 0
  stage.vfs.hook = ({ when }) => {
    if (when === 'before' && ++operations >= at) throw new Error('killed')
  }
  try {
    await run(stage)
  } catch (error) {
    if (operations < at) throw error
  }
  stage.kill()
  return operations >= at
}

const goneAfter = (end: 'vanish' | 'close') => (connection: Connection) => {
  connection[end]()
  return null
}

/** The bytes that fill pages 2 and up of the main file. */
function contentsOfMain(path: string): number[] {
  const bytes = readFileSync(path)
  return Array.from({ length: bytes.length / 4096 - 1 }, (_, i) =>
    uniformValue(bytes.subarray((i + 1) * 4096, (i + 2) * 4096)),
  )
}

async function crashEverywhere(t: ExecutionContext, scenario: Scenario, { withOther }: { withOther: boolean }) {
  let at = 1
  for (let isCut = true; isCut; at++) {
    const stage = new Stage(t, scenario)
    const other = withOther ? connect(stage.path, { vfs }) : null
    isCut = await runUntil(stage, scenario, at)
    const holds = (connection: Connection) => mayHold(scenario, connection.contents(), { isDone: !isCut })
    if (other !== null) t.true(holds(other), `the other connection, killed before operation ${at}`)
    const next = connect(stage.path, { vfs })
    t.true(holds(next), `the next connection, killed before operation ${at}`)
    next.fillSync([3], 7, 'off')
    const contents = next.contents()
    if (other !== null) t.deepEqual(other.contents(), contents)
    next.checkpointSync()
    next.fillSync([4], 8, 'off')
    next.close()
    other?.close()
    t.false(existsSync(`${stage.path}-wal`) || existsSync(`${stage.path}-shm`), `left behind before operation ${at}`)
    contents.splice(1, 2, 7, 8)
    t.deepEqual(contentsOfMain(stage.path), contents)
  }
  t.log(`${at - 2} operations`)
}

for (const scenario of SCENARIOS) {
  test(`${scenario.title} can be killed anywhere, alone`, crashEverywhere, scenario, { withOther: false })
  test(`${scenario.title} can be killed anywhere, beside another connection`, crashEverywhere, scenario, {
    withOther: true,
  })
}

test('creating a database can be killed anywhere', async (t) => {
  for (let at = 1, isCut = true; isCut; at++) {
    const stage = new Stage(t, { ...SCENARIOS[0]!, prepare: goneAfter('vanish') })
    const path = join(temporaryFolder(t), 'new.db')
    isCut = await runUntil(stage, { run: (killed) => connect(path, { vfs: killed.vfs }) }, at)
    const next = connect(path, { vfs })
    t.deepEqual(next.contents(), [])
    next.fillSync([2], 1, 'off')
    t.is(next.close(), null)
  }
})

/** A commit that SQLite can read: the user version in the file header; all other pages are written as they are. */
function commitVersion(connection: Connection, version: number): void {
  connection.commits.runSync(
    (pages) => {
      for (let number = 1; number <= pages.pageCount; number++) pages.writable(pageNumber(number))
      pages.writable(pageNumber(1)).bytes.set([0, 0, 0, version], 60)
    },
    { synchronous: 'full' },
  )
}

test('SQLite finds every acknowledged commit and a whole database wherever the process was killed', async (t) => {
  const folder = temporaryFolder(t)
  const template = join(folder, 'template.db')
  sqliteNow(template, (db) => {
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, filler BLOB)')
    const insert = db.prepare('INSERT INTO t VALUES (?, randomblob(3000))')
    for (let id = 1; id <= 8; id++) insert.run(id)
  })
  const run = ({ connection }: Stage) => {
    commitVersion(connection!, 2)
    connection!.checkpointSync()
    commitVersion(connection!, 3)
    connection!.checkpointSync('truncate')
    commitVersion(connection!, 4)
    connection!.close()
  }
  const copies: { path: string; version: number }[] = []
  for (let at = 1, isCut = true; isCut; at++) {
    const stage = new Stage(t, { ...SCENARIOS[0]!, prepare: goneAfter('close') })
    copyFileSync(template, stage.path)
    const connection = stage.open()
    commitVersion(connection, 1)
    let acknowledged = 1
    const commits = connection.commits
    const runSync = commits.runSync.bind(commits)
    commits.runSync = (work, options) => {
      const result = runSync(work, options)
      acknowledged++
      return result
    }
    isCut = await runUntil(stage, { run }, at)
    mkdirSync(join(folder, String(at)))
    const copy = join(folder, String(at), 'app.db')
    for (const end of ['', '-wal']) if (existsSync(stage.path + end)) copyFileSync(stage.path + end, copy + end)
    copies.push({ path: copy, version: acknowledged })
  }
  t.log(`${copies.length} points`)
  const referee = await startReferee(t, template)
  const found = await referee.call(
    (db, paths) => {
      const Sqlite = db.constructor as unknown as new (path: string) => typeof db
      return paths.map((path) => {
        const copy = new Sqlite(path)
        const integrity = copy.pragma('integrity_check', { simple: true })
        const version = copy.pragma('user_version', { simple: true }) as number
        const rows = copy.prepare('SELECT count(*) FROM t').pluck().get()
        copy.close()
        return { integrity, version, rows }
      })
    },
    copies.map(({ path }) => path),
  )
  for (const [i, { integrity, version, rows }] of found.entries()) {
    const { version: acknowledged } = copies[i]!
    t.is(integrity, 'ok', `operation ${i + 1}`)
    t.is(rows, 8)
    t.true(
      version === acknowledged || version === acknowledged + 1,
      `${version} after ${acknowledged}, operation ${i + 1}`,
    )
  }
  await referee.close()
})
