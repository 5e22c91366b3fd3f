/**
 * Random steps on maps and tables, by two Databases that share the file: what either reads always equals the model, every
 * snapshot equals the model of its moment, and SQLite finds the same content in a sound file.
 *
 * A failure prints its seed and steps. ENDMARK_TEST_SEED sets another seed, ENDMARK_PROPERTY_RUNS does more runs, and
 * ENDMARK_PROPERTY_SHRINK looks for the smallest failure, which takes minutes.
 */
import assert from 'node:assert/strict'
import test from 'ava'
import type { Database as Sqlite } from 'better-sqlite3'
import fc from 'fast-check'
import { seededRandom } from '../support/random.js'
import { type Referee, startReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import type { Change, Model, Step, StoreName, ValueRecipe } from './model.js'
import { Runner } from './runner.js'

const POOL_SIZE = 400
const STEPS_MIN = 20
const STEPS_MAX = 60
/** Enough for some runs of each page size in CI; more by hand. */
const RUNS = Number(process.env.ENDMARK_PROPERTY_RUNS ?? 4)

const by = fc.constantFrom<0 | 1>(0, 1)
const store = fc.constantFrom<StoreName>('pairs', 'rows', 'wide')
const key = fc.nat(POOL_SIZE)

function values(pageSize: number): fc.Arbitrary<ValueRecipe> {
  const size = fc.oneof(
    { weight: 8, arbitrary: fc.nat(40) },
    { weight: 4, arbitrary: fc.nat(pageSize) },
    { weight: 2, arbitrary: fc.integer({ min: pageSize - 60, max: pageSize + 20 }) },
    { weight: 1, arbitrary: fc.integer({ min: pageSize, max: Math.min(20 * pageSize, 300_000) }) },
  )
  const kind = fc.constantFrom<ValueRecipe['kind']>('null', 'integer', 'bigint', 'real', 'text', 'blob', 'text', 'blob')
  return fc.record({ kind, size, fill: fc.nat(90) })
}

function changes(pageSize: number): fc.Arbitrary<Change[]> {
  const action = fc.constantFrom<Change['action']>('put', 'put', 'insert', 'update', 'delete', 'delete')
  return fc.array(fc.record({ store, action, key, value: values(pageSize) }), {
    minLength: 1,
    maxLength: 60,
    size: 'max',
  })
}

function steps(pageSize: number): fc.Arbitrary<Step[]> {
  const style = fc.constantFrom<(Step & { type: 'write' })['style']>(
    'one by one',
    'all at once',
    'transaction',
    'blocking',
  )
  const savepoint = fc.option(fc.record({ from: fc.nat(10), to: fc.nat(60), fails: fc.boolean() }))
  const bound = fc.option(fc.record({ key, isOpen: fc.boolean() }))
  const mode = fc.constantFrom<(Step & { type: 'checkpoint' })['mode']>('passive', 'full', 'restart', 'truncate')
  const type = <T extends string>(name: T) => fc.constant(name)
  const fails = fc.boolean()
  const write = fc.record({ type: type('write'), by, style, changes: changes(pageSize), savepoint, fails })
  const limit = fc.option(fc.nat(20))
  const read = fc.record({ type: type('read'), by, store, lower: bound, upper: bound, reverse: fc.boolean(), limit })
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 16, arbitrary: write },
    { weight: 6, arbitrary: read },
    { weight: 3, arbitrary: fc.record({ type: type('snapshot'), by }) },
    { weight: 2, arbitrary: fc.record({ type: type('release'), which: fc.nat(10) }) },
    { weight: 2, arbitrary: fc.record({ type: type('checkpoint'), by, mode }) },
    { weight: 1, arbitrary: fc.record({ type: type('reopen'), by }) },
    { weight: 1, arbitrary: fc.record({ type: type('recreate'), by, store }) },
  )
  return fc.array(step, { minLength: STEPS_MIN, maxLength: STEPS_MAX, size: 'max' })
}

for (const pageSize of [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]) {
  test(`random steps on pages of ${pageSize} bytes equal the model, and SQLite agrees`, async (t) => {
    t.timeout(240_000)
    const seed = (seededRandom(t).next32() ^ pageSize) | 0
    const folder = temporaryFolder(t)
    const referee = await startReferee(t, `${folder}/unused.db`)
    let stepCount = 0
    const property = fc.asyncProperty(steps(pageSize), fc.constantFrom(0, 3, 25), async (given, autoCheckpoint) => {
      stepCount += given.length
      await runAll(referee, new Runner(folder, { pageSize, autoCheckpoint }), given)
    })
    const endOnFailure = process.env.ENDMARK_PROPERTY_SHRINK === undefined
    const result = await fc.check(property, { seed, numRuns: RUNS, endOnFailure })
    t.log(`${stepCount} steps in ${result.numRuns} runs`)
    if (!result.failed) return t.pass()
    t.log(`path ${result.counterexamplePath}, steps ${fc.stringify(result.counterexample)}`)
    t.fail(String((result.errorInstance as Error | null)?.stack))
  })
}

async function runAll(referee: Referee, runner: Runner, given: Step[]): Promise<void> {
  await runner.open()
  try {
    for (const [index, step] of given.entries()) await locate(`step ${index}, ${step.type}`, () => runner.run(step))
    runner.compareAll()
    await compareWithSqlite(referee, runner)
  } finally {
    await runner.close()
  }
  await compareWithSqlite(referee, runner)
}

/** Says in the error where it happened. */
async function locate(place: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Error) error.message = `${place}: ${error.message}`
    throw error
  }
}

const QUERIES: Readonly<Record<StoreName, string>> = {
  pairs: 'SELECT key, value FROM pairs ORDER BY key',
  rows: 'SELECT id, name, data FROM rows ORDER BY id',
  wide: 'SELECT data, b, a FROM wide ORDER BY a, b',
}

async function compareWithSqlite(referee: Referee, { path, model }: Runner): Promise<void> {
  const found = await referee.call(readAll, path, QUERIES)
  assert.equal(found.integrity, 'ok')
  for (const name of Object.keys(QUERIES) as StoreName[]) {
    assert.deepEqual(
      found.content[name]?.map((values) => values.map(asStored)),
      contentOf(model, name),
      name,
    )
  }
}

/** Runs in the SQLite process. */
async function readAll(_: Sqlite, path: string, queries: Readonly<Record<string, string>>) {
  const { default: Sqlite } = (await import('better-sqlite3')) as unknown as { default: new (path: string) => Sqlite }
  const db = new Sqlite(path)
  const content: Record<string, unknown[][]> = {}
  for (const [name, query] of Object.entries(queries)) {
    content[name] = db.prepare(query).raw().safeIntegers().all() as unknown[][]
  }
  const integrity = db.pragma('integrity_check', { simple: true })
  db.close()
  return { content, integrity }
}

/** SQLite's integers come as bigint here, ours only beyond 2^53 - 1. */
function asStored(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  return value instanceof Uint8Array ? new Uint8Array(value) : value
}

function contentOf(model: Model, name: StoreName): unknown[][] {
  return model.entries(name).map(({ entry }) => (Array.isArray(entry) ? [...entry] : Object.values(entry)))
}
