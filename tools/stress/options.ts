/** Command line of the stress tool, read and written. */
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

const COMMAND = 'node dist/tools/stress/main.js'

/** The command line cannot be what was meant; the message is all that there is to say. */
export class UsageError extends Error {}

export const USAGE = `Usage: ${COMMAND} [options]

  --seconds N             how long operations are begun (20); also --time N
  --hours N               the same in hours
  --operations N          ends once so many were begun; without --seconds, however long that takes
  --seed N                decides operations and kills (random)
  --processes N           processes that read and write (4)
  --sqlite                every second of them is SQLite
  --mode MODE             process: a writer process commits, and is killed as well; inline: each by itself (inline)
  --kill-probability P    of each operation, that its process is killed during it (0.01)
  --folder FOLDER         where the database lies (a temporary folder)
  --replay SEED           --seed, said otherwise: a seed knows nothing of the other options, so give them as they were. Each run
                          begins with the command that repeats it
  --replay FILE           again with all the options of a history, which is checked again first; only --folder and --json beside it
  --json                  end with one line of JSON
  --help                  show this
`

/** What a kept history does not decide. */
const BESIDE_HISTORY = ['replay', 'folder', 'json', 'help']

/** @returns undefined if help was asked for; throws a UsageError with the reason if the arguments are wrong */
export function parseOptions(parameters: readonly string[]): StressOptions | undefined {
  const values = parseValues(parameters)
  if (values.help) return undefined
  assertReplayAlone(values)
  const seedText = values.seed ?? (isSeed(values.replay) ? values.replay : undefined)
  const secondsText = values.seconds ?? values.time ?? (values.operations === undefined ? '20' : String(FOREVER))
  return {
    seconds:
      values.hours === undefined
        ? parseAmount('--seconds', secondsText, FOREVER)
        : parseAmount('--hours', values.hours, FOREVER / 3600) * 3600,
    operations:
      values.operations === undefined
        ? FOREVER
        : parseWhole('--operations', values.operations, { least: 1, most: FOREVER }),
    seed: seedText === undefined ? randomSeed() : parseWhole('--seed', seedText, { least: 0, most: 2 ** 32 - 1 }),
    processes: parseWhole('--processes', values.processes ?? '4', { least: 1, most: 64 }),
    sqlite: values.sqlite ?? false,
    mode: parseMode(values.mode ?? 'inline'),
    killProbability: parseNumber('--kill-probability', values['kill-probability'] ?? '0.01', { least: 0, most: 1 }),
    folder: values.folder,
    replay: values.replay,
    json: values.json ?? false,
  }
}

/** @returns what somebody types to repeat the run: every option that decides something, those by default included */
export function commandFor({
  seconds,
  operations,
  seed,
  processes,
  sqlite,
  mode,
  killProbability,
}: StressOptions): string {
  return [
    `${COMMAND} --seed ${seed} --processes ${processes}${sqlite ? ' --sqlite' : ''} --mode ${mode}`,
    `--kill-probability ${killProbability}`,
    ...(seconds === FOREVER && operations !== FOREVER ? [] : [`--seconds ${seconds}`]),
    ...(operations === FOREVER ? [] : [`--operations ${operations}`]),
  ].join(' ')
}

type Values = ReturnType<typeof parseValues>

function parseValues(parameters: readonly string[]) {
  try {
    return parseArgs({
      args: [...parameters],
      options: {
        seconds: { type: 'string' },
        time: { type: 'string' },
        hours: { type: 'string' },
        operations: { type: 'string' },
        seed: { type: 'string' },
        processes: { type: 'string' },
        sqlite: { type: 'boolean' },
        mode: { type: 'string' },
        'kill-probability': { type: 'string' },
        folder: { type: 'string' },
        replay: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Two options that say the same, one of which would be ignored. */
function assertReplayAlone(values: Values): void {
  const { replay } = values
  if (replay === undefined) return
  const ignored = isSeed(replay)
    ? ['seed'].filter((name) => name in values)
    : Object.keys(values).filter((name) => !BESIDE_HISTORY.includes(name))
  if (ignored.length === 0) return
  const given = ignored.map((name) => `--${name}`).join(', ')
  throw new UsageError(`--replay ${replay} says what ${given} says as well: give one of them`)
}

export function isSeed(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text)
}

function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 32)
}

function parseMode(text: string): StressOptions['mode'] {
  if (text !== 'process' && text !== 'inline') throw new UsageError(`--mode must be process or inline, not "${text}"`)
  return text
}

interface Bounds {
  readonly least: number
  readonly most: number
}

/** More than nothing: a run in which nothing is done finds nothing wrong. */
function parseAmount(name: string, text: string, most: number): number {
  const value = parseNumber(name, text, { least: 0, most })
  if (value === 0) throw new UsageError(`${name} must be more than 0`)
  return value
}

function parseNumber(name: string, text: string, { least, most }: Bounds): number {
  const value = Number(text)
  if (text === '' || !(value >= least && value <= most)) {
    throw new UsageError(`${name} must be a number from ${least} to ${most}, not "${text}"`)
  }
  return value
}

function parseWhole(name: string, text: string, bounds: Bounds): number {
  const value = parseNumber(name, text, bounds)
  if (!Number.isInteger(value)) throw new UsageError(`${name} must be a whole number, not "${text}"`)
  return value
}
