/**
 * The fuzzer: damages the files and messages of the corpus, and tries out the whole API on what comes of it, in processes of
 * their own. A crash, a hang, too much memory or an error without a type is a finding. Exits with 1 if there is one.
 *
 * The corpus as it is comes first: what was a finding once must not be one again.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFiles } from '../../test/support/damage.js'
import { CasePool, type Finding } from './case-pool.js'
import { type Case, CORPUS_FOLDER, casesAsTheyAre, entriesOf, inputOf, TARGETS } from './corpus.js'
import { type FuzzOptions, parseOptions, USAGE } from './options.js'

const FINDINGS_SHOWN = 20

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(USAGE)
  else process.exitCode = await fuzz(options)
} catch (error) {
  console.error(error)
  process.exitCode = 1
}

async function fuzz(options: FuzzOptions): Promise<number> {
  const corpus = options.corpus ?? CORPUS_FOLDER
  const pool = new CasePool(corpus)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      pool.abandon()
      process.exit(1)
    })
  }
  const startMs = performance.now()
  if (options.replay !== undefined) await pool.run([parseCase(options.replay)])
  else await run(pool, options, corpus, startMs)
  const seconds = (performance.now() - startMs) / 1000
  print(pool, options, seconds)
  if (options.save !== undefined) for (const finding of pool.findings) save(finding, corpus, options.save)
  return pool.findings.length === 0 ? 0 : 1
}

async function run(pool: CasePool, options: FuzzOptions, corpus: string, startMs: number): Promise<void> {
  const { targets, processes, seconds, seed } = options
  await pool.run(casesAsTheyAre(corpus).filter(({ target }) => targets.includes(target)))
  const kinds = targets.flatMap((target) => entriesOf(corpus, target).map((entry) => ({ target, entry })))
  let next = seed
  function* cases(): Generator<Case> {
    while (performance.now() < startMs + seconds * 1000) yield { ...kinds[next % kinds.length]!, seed: next++ }
  }
  await Promise.all(Array.from({ length: processes }, () => pool.run(cases())))
}

function print(pool: CasePool, { seed, json }: FuzzOptions, seconds: number): void {
  const { caseCount, findings } = pool
  console.log(`${caseCount} cases in ${Math.round(seconds)} s from seed ${seed}, ${findings.length} findings`)
  for (const { case: found, what } of findings.slice(0, FINDINGS_SHOWN))
    console.log(`--replay ${nameOf(found)}: ${what}`)
  if (json) console.log(JSON.stringify({ seed, cases: caseCount, seconds, findings }))
}

function nameOf({ target, entry, seed }: Case): string {
  return `${target}:${entry}:${seed ?? ''}`
}

function parseCase(text: string): Case {
  const [targetText, entry, seed] = text.split(':')
  const target = TARGETS.find((known) => known === targetText)
  if (target === undefined || !entry || seed === undefined || !/^\d*$/.test(seed)) {
    throw new Error(`--replay must be TARGET:ENTRY:SEED, not "${text}"`)
  }
  return { target, entry, seed: seed === '' ? null : Number(seed) }
}

/** As an entry of a corpus. */
function save({ case: found }: Finding, corpus: string, folder: string): void {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, nameOf(found).replaceAll(':', '-'))
  const input = inputOf(corpus, found)
  if ('files' in input) writeFiles(`${path}.db`, input.files)
  else writeFileSync(`${path}.requests`, input.messages)
}
