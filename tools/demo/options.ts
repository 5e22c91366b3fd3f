/** Command line of the demo. */
import { parseArgs } from 'node:util'
import { UsageError } from '../cli/usage.js'

export interface DemoOptions {
  /** Who commits for the writers: one writer process for all of them, or each by itself. */
  readonly mode: 'process' | 'inline'
  /** Processes that move inhabitants. */
  readonly writers: number
  /** Processes that read snapshot after snapshot. */
  readonly readers: number
  /** How long they run. */
  readonly seconds: number
  /** Ends the output with one JSON object on a line of its own. */
  readonly json: boolean
  /** Database file; without it, a fresh one in the folder .demo. */
  readonly path: string | undefined
}

export const USAGE = `Usage: npm start -- [options]

  --mode MODE    process: one writer process commits for all; inline: each commits by itself (process)
  --writers N    processes that move inhabitants (2)
  --readers N    processes that read and add up (2)
  --seconds N    how long they run (8)
  --path FILE    database file; one that holds the cities already is used as it is (.demo/cities.db, made anew)
  --json         end with one line of JSON
  --help         show this
`

/**
 * @returns undefined if help was asked for
 * @throws for which `isUsageError` is true, with the reason, if the arguments are wrong
 */
export function parseOptions(parameters: readonly string[]): DemoOptions | undefined {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      mode: { type: 'string', default: 'process' },
      writers: { type: 'string', default: '2' },
      readers: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '8' },
      path: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    mode: parseMode(values.mode),
    writers: parseCount('--writers', values.writers),
    readers: parseCount('--readers', values.readers),
    seconds: parseCount('--seconds', values.seconds),
    json: values.json,
    path: parsePath(values.path),
  }
}

function parseMode(text: string): DemoOptions['mode'] {
  if (text !== 'process' && text !== 'inline') throw new UsageError(`--mode must be process or inline, not "${text}"`)
  return text
}

function parseCount(name: string, text: string): number {
  const value = Number(text)
  // Digits alone: Number takes the empty text, 1e1 and 0x2 as well.
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new UsageError(`${name} must be a whole number, not "${text}"`)
  return value
}

function parsePath(text: string | undefined): string | undefined {
  if (text === '') throw new UsageError('--path must name a file')
  return text
}
