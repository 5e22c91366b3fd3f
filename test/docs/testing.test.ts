/** The commands of docs/testing.md run as they stand, and its tables have the parameters that the tools have. */
import { exec } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { CORPUS_FOLDER } from '../../tools/fuzz/corpus.js'
import { MUTATIONS, type Mutation } from '../simulated/mutations.js'
import { SWEEP_MUTATIONS } from '../simulated/sweep-mutations.js'
import { linesWith, REPOSITORY, readDocument, section } from './documents.js'

const document = readDocument('testing.md')
const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

/** A script of package.json as what it runs, without building anew what these tests run from. */
function asBuilt(command: string): string {
  return command.replace(/^npm run (\S+) -- /, (_, name: string) => `${scripts[name]} `)
}

const commands = [...document.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'))

test('there are commands to run', (t) => {
  t.true(commands.length >= 6)
})

for (const command of commands) {
  test.serial(`testing.md: ${command}`, async (t) => {
    t.timeout(120_000)
    await t.notThrowsAsync(promisify(exec)(asBuilt(command), { cwd: REPOSITORY }))
  })
}

test('the scripts that testing.md names exist', (t) => {
  const names = [...document.matchAll(/`npm (?:run )?([\w:]+)[ `]/g)].map(([, name]) => name!)
  t.true(names.length >= 3)
  for (const name of names) t.true(scripts[name] !== undefined, name)
})

test('the full tier runs the tests that it is given, with parameters of its own', async (t) => {
  const { stdout } = await promisify(exec)('node dist/tools/soak/full.js dist/test/support/random.test.js --verbose', {
    cwd: REPOSITORY,
  })
  t.regex(stdout, /tests? passed/)
})

test('testing.md has the parameters of the full tier', (t) => {
  const source = readFileSync(join(REPOSITORY, 'tools/soak/full.ts'), 'utf8')
  const rows = new Map(
    [...document.matchAll(/^\| `(ENDMARK_\w+)` \| [^|]+ \| (\d+) \|/gm)].map(([, name, value]) => [name, value]),
  )
  const parameters = [...source.matchAll(/^ {2}(ENDMARK_\w+): '(\d+)'/gm)].map(([, name, value]) => [name, value])
  t.true(parameters.length >= 3)
  for (const [name, value] of parameters) t.is(rows.get(name), value, name)
})

/** As the table says it. */
function finderOf({ options, unitTest }: Mutation): string {
  if (unitTest !== undefined) return `\`${basename(unitTest.file)}\``
  const kind = (['groups', 'watches', 'races'] as const).find((name) => options?.[name] !== undefined)
  return kind === undefined ? 'schedules' : `schedules, ${kind}`
}

test('testing.md has each mutation, what catches it, and in which tier', (t) => {
  const rows = section(document, 'Mutations')
    .split('\n')
    .filter((line) => /^\| [a-z].* \| (quick|full) \|$/.test(line))
    .map((line) => line.slice(2, -2).split(' | '))
  const expected = MUTATIONS.map((mutation) => [
    mutation.title,
    mutation.invariant,
    finderOf(mutation),
    mutation.isRare === true ? 'full' : 'quick',
  ])
  t.deepEqual(
    rows.map(([title, invariant, finder, , tier]) => [title, invariant, finder, tier]),
    expected,
  )
  for (const [title, , finder, found, tier] of rows) {
    if (!finder!.startsWith('schedules')) {
      t.is(found, 'its one run', title)
      continue
    }
    const [, runs, seeds] = /^(\d+) runs? \((\d+) seeds\)$/.exec(found!)?.map(Number) ?? []
    t.true(runs! >= 1 && runs! <= (tier === 'full' ? 5000 : 400), title)
    t.true(seeds! >= 3, title)
  }
})

test('testing.md has the mutations of the sweeps', (t) => {
  const rows = linesWith(
    section(document, 'Mutations'),
    /^\| ([a-z][^|]+ \| [A-Z]+-\d+ \| a (?:failing call|power cut|kill)) \|$/,
  )
  const found = {
    'fails once': 'a failing call',
    'fails for ever': 'a failing call',
    'is cut short by a kill': 'a kill',
    'the power is cut': 'a power cut',
  }
  t.deepEqual(
    rows,
    SWEEP_MUTATIONS.map(({ title, invariant, foundBy }) => `${title} | ${invariant} | ${found[foundBy]}`),
  )
})

test('testing.md tells the story of each finding in the corpus', (t) => {
  const entries = new Set(readdirSync(CORPUS_FOLDER).map((name) => name.replace(/\..*/, '')))
  const sound = new Set(['small', 'sqlite'])
  const told = linesWith(section(document, 'Hostile bytes'), /^\| `([\w-]+)` \| [^|]+ \|$/)
  t.deepEqual(told.sort(), [...entries].filter((name) => !sound.has(name)).sort())
})
