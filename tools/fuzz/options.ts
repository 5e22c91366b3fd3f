/** Command line of the fuzzer. */
import { parseArgs } from 'node:util'
import { TARGETS, type Target } from './corpus.js'

export interface FuzzOptions {
  readonly seconds: number
  /** Of the first case; each further one is one more. */
  readonly seed: number
  readonly targets: readonly Target[]
  readonly processes: number
  readonly corpus: string | undefined
  /** Folder to which the input of each finding is written. */
  readonly save: string | undefined
  /** `TARGET:ENTRY:SEED`, as findings are named. */
  readonly replay: string | undefined
  /** Ends the output with one JSON object on a line of its own. */
  readonly json: boolean
}

export const USAGE = `Usage: node dist/tools/fuzz/main.js [options]

  --seconds N        how long (60)
  --hours N          the same in hours
  --seed N           of the first case; each further one is one more (random)
  --target T         ${TARGETS.join(', ')} or all (all)
  --processes N      cases at a time (2)
  --corpus FOLDER    what is damaged (test/fuzz/corpus)
  --save FOLDER      the input of each finding is written there
  --replay CASE      one case again, named as findings are: TARGET:ENTRY:SEED
  --json             end with one line of JSON
  --help             show this
`

/** @returns undefined if help was asked for; throws an Error with the reason if the arguments are wrong */
export function parseOptions(parameters: readonly string[]): FuzzOptions | undefined {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      seconds: { type: 'string', default: '60' },
      hours: { type: 'string' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      target: { type: 'string', default: 'all' },
      processes: { type: 'string', default: '2' },
      corpus: { type: 'string' },
      save: { type: 'string' },
      replay: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { hours, corpus, save, replay, json } = values
  return {
    seconds: hours === undefined ? parseNumber('--seconds', values.seconds) : parseNumber('--hours', hours) * 3600,
    seed: parseWhole('--seed', values.seed),
    targets: parseTargets(values.target),
    processes: Math.max(1, parseWhole('--processes', values.processes)),
    ...{ corpus, save, replay, json },
  }
}

function parseTargets(text: string): readonly Target[] {
  if (text === 'all') return TARGETS
  const target = TARGETS.find((known) => known === text)
  if (target === undefined) throw new Error(`--target must be ${TARGETS.join(', ')} or all, not "${text}"`)
  return [target]
}

function parseNumber(name: string, text: string): number {
  const value = Number(text)
  if (text === '' || !(value >= 0 && value < 2 ** 53)) throw new Error(`${name} must be a number, not "${text}"`)
  return value
}

function parseWhole(name: string, text: string): number {
  const value = parseNumber(name, text)
  if (!Number.isInteger(value)) throw new Error(`${name} must be a whole number, not "${text}"`)
  return value
}
