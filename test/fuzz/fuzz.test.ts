/** Hostile bytes: the corpus as it is, and some seconds of damage to it, through the fuzzer as anybody would start it. */
import { execFile } from 'node:child_process'
import { copyFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { CasePool } from '../../tools/fuzz/case-pool.js'
import { CORPUS_FOLDER, casesAsTheyAre, entriesOf, inputOf, TARGETS } from '../../tools/fuzz/corpus.js'
import { parseLog } from '../support/independent-wal-reader.js'
import { seededRandom } from '../support/random.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const FUZZ = fileURLToPath(new URL('../../tools/fuzz/main.js', import.meta.url))
const CORPUS_BYTES_MAX = 300_000
/** ENDMARK_FUZZ_SECONDS makes it longer. */
const SECONDS = process.env.ENDMARK_FUZZ_SECONDS ?? '15'

interface Report {
  readonly cases: number
  readonly findings: readonly { readonly case: { readonly entry: string }; readonly what: string }[]
}

/** Runs the fuzzer, whether it finds anything or not. */
async function fuzz(
  t: ExecutionContext<unknown>,
  ...options: readonly string[]
): Promise<Report & { code: number; stdout: string }> {
  const running = promisify(execFile)(process.execPath, [FUZZ, '--json', ...options])
  t.teardown(() => running.child.kill())
  const { code, stdout } = await running.then(
    (result) => ({ code: 0, stdout: result.stdout }),
    (error: { code: number; stdout: string }) => error,
  )
  return { code, stdout, ...(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') as Report) }
}

test('no damage to the corpus gets past typed errors', async (t) => {
  t.timeout(120_000 + 2000 * Number(SECONDS))
  const seed = String(seededRandom(t).below(2 ** 31))
  const { cases, findings, code } = await fuzz(t, '--seconds', SECONDS, '--seed', seed)
  t.log(`${cases} cases`)
  t.deepEqual(findings, [])
  t.is(code, 0)
  t.true(cases > 50, `${cases} cases`)
})

test('the corpus is small, and holds something for each target', (t) => {
  const sizes = readdirSync(CORPUS_FOLDER).map((name) => statSync(join(CORPUS_FOLDER, name)).size)
  t.true(sizes.reduce((sum, size) => sum + size, 0) < CORPUS_BYTES_MAX)
  for (const target of TARGETS) t.true(entriesOf(CORPUS_FOLDER, target).includes('small'), target)
  t.true(casesAsTheyAre(CORPUS_FOLDER).length >= 5)
})

test('a seed damages the same bytes every time, and another one others', (t) => {
  for (const target of TARGETS) {
    const once = inputOf(CORPUS_FOLDER, { entry: 'small', target, seed: 1 })
    t.deepEqual(inputOf(CORPUS_FOLDER, { entry: 'small', target, seed: 1 }), once)
    t.notDeepEqual(inputOf(CORPUS_FOLDER, { entry: 'small', target, seed: 2 }), once)
    t.notDeepEqual(inputOf(CORPUS_FOLDER, { entry: 'small', target, seed: null }), once)
  }
})

test('most damaged logs are sealed, so that their damage is believed', (t) => {
  let believed = 0
  for (let seed = 0; seed < 100; seed++) {
    const input = inputOf(CORPUS_FOLDER, { entry: 'small', target: 'log', seed })
    const log = Buffer.from(('files' in input && input.files.log) || [])
    const hasRightPageSize = log.length >= 12 && log.readUInt32BE(8) === 512
    if (hasRightPageSize && (parseLog(log)?.frames.length ?? 0) > 0) believed++
  }
  t.true(believed > 40, `${believed} of 100`)
})

test('what a process dies of is a finding, named so that it can be repeated, and saved as an entry', async (t) => {
  const corpus = temporaryFolder(t)
  for (const suffix of ['.db', '.db-wal', '.db-shm']) {
    copyFileSync(join(CORPUS_FOLDER, `small${suffix}`), join(corpus, `small${suffix}`))
  }
  // Shorter than a message can be: the tool that damages messages gives up, as an engine that crashes would.
  writeFileSync(join(corpus, 'small.requests'), '')
  const saved = temporaryFolder(t)
  const { code, findings, stdout } = await fuzz(
    t,
    ...['--corpus', corpus, '--target', 'ipc', '--replay', 'ipc:small:1', '--save', saved],
  )
  t.is(code, 1)
  t.like(findings, { length: 1, 0: { case: { entry: 'small' }, what: 'the process ended (1)' } })
  t.regex(stdout, /--replay ipc:small:1: the process ended/)
})

test('a case that never ends and one that takes too much memory are findings', async (t) => {
  const pool = new CasePool(CORPUS_FOLDER, { caseMsMax: 1, memoryBytesMax: 1 << 30 })
  await pool.run([{ entry: 'small', target: 'main', seed: null }])
  t.regex(pool.findings[0]?.what ?? '', /^hang: not done after 1 ms/)
  const frugal = new CasePool(CORPUS_FOLDER, { caseMsMax: 60_000, memoryBytesMax: 1 << 20 })
  await frugal.run([{ entry: 'small', target: 'main', seed: null }])
  t.regex(frugal.findings[0]?.what ?? '', /^memory: \d+ MiB/)
})

test('the fuzzer says what is wrong with its options', async (t) => {
  for (const [given, message] of [
    [['--target', 'x'], /--target must be main, log, shm, ipc or all, not "x"/],
    [['--replay', 'x'], /--replay must be TARGET:ENTRY:SEED, not "x"/],
    [['--seed', '0.5'], /--seed must be a whole number, not "0.5"/],
  ] as const) {
    const error = await t.throwsAsync(promisify(execFile)(process.execPath, [FUZZ, ...given]))
    t.regex(error.message, message)
  }
})
