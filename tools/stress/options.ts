/** Command line of the stress tool. */
import { parseArgs } from 'node:util'

export interface StressOptions {
  /** How long operations are begun. */
  readonly seconds: number
  /** It ends once so many operations were begun, if the time is not over before. */
  readonly operations: number
  /** Decides every operation and every kill, but not when processes are scheduled. */
  readonly seed: number
  /** Processes that read and write. */
  readonly processes: number
  /** Whether every second of them is SQLite. */
  readonly sqlite: boolean
  /** Who commits for Endmark: a writer process, which is killed as well, or each by itself. */
  readonly mode: 'inline' | 'process'
  /** Of each operation: that its process is killed during it. */
  readonly killProbability: number
  /** Folder of the database and, if anything was wrong, of the history; without it, one that is removed if all was well. */
  readonly folder: string | undefined
  /** A seed, or the file of a history. */
  readonly replay: string | undefined
  /** Ends the output with one JSON object on a line of its own. */
  readonly json: boolean
}

/** Seconds, or operations. A number that JSON can hold. */
const FOREVER = 1e9

export const USAGE = `Usage: node dist/tools/stress/main.js [options]

  --seconds N             how long operations are begun (20); also --time N
  --hours N               the same in hours
  --operations N          ends once so many were begun; without --seconds, however long that takes
  --seed N                decides operations and kills (random)
  --processes N           processes that read and write (4)
  --sqlite                every second of them is SQLite
  --mode MODE             process: a writer process commits, and is killed as well; inline: each by itself (inline)
  --kill-probability P    of each operation, that its process is killed during it (0.01)
  --folder FOLDER         where the database lies (a temporary folder)
  --replay SEED or FILE   again with this seed; or with the options of a history, which is checked again first
  --json                  end with one line of JSON
  --help                  show this
`

/** @returns undefined if help was asked for; throws an Error with the reason if the arguments are wrong */
export function parseOptions(parameters: readonly string[]): StressOptions | undefined {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      seconds: { type: 'string' },
      time: { type: 'string' },
      hours: { type: 'string' },
      operations: { type: 'string' },
      seed: { type: 'string' },
      processes: { type: 'string', default: '4' },
      sqlite: { type: 'boolean', default: false },
      mode: { type: 'string', default: 'inline' },
      'kill-probability': { type: 'string', default: '0.01' },
      folder: { type: 'string' },
      replay: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const seedText = values.seed ?? (isSeed(values.replay) ? values.replay : undefined)
  const secondsText = values.seconds ?? values.time ?? (values.operations === undefined ? '20' : String(FOREVER))
  return {
    seconds:
      values.hours === undefined
        ? parseNumber('--seconds', secondsText, FOREVER)
        : parseNumber('--hours', values.hours, FOREVER / 3600) * 3600,
    operations: values.operations === undefined ? FOREVER : parseWhole('--operations', values.operations, FOREVER),
    seed: seedText === undefined ? randomSeed() : parseWhole('--seed', seedText, 2 ** 32 - 1),
    processes: parseWhole('--processes', values.processes, 64),
    sqlite: values.sqlite,
    mode: parseMode(values.mode),
    killProbability: parseNumber('--kill-probability', values['kill-probability'], 1),
    folder: values.folder,
    replay: values.replay,
    json: values.json,
  }
}

export function isSeed(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text)
}

function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 32)
}

function parseMode(text: string): StressOptions['mode'] {
  if (text !== 'process' && text !== 'inline') throw new Error(`--mode must be process or inline, not "${text}"`)
  return text
}

function parseNumber(name: string, text: string, most: number): number {
  const value = Number(text)
  if (text === '' || !(value >= 0 && value <= most)) {
    throw new Error(`${name} must be a number from 0 to ${most}, not "${text}"`)
  }
  return value
}

function parseWhole(name: string, text: string, most: number): number {
  const value = parseNumber(name, text, most)
  if (!Number.isInteger(value)) throw new Error(`${name} must be a whole number, not "${text}"`)
  return value
}
