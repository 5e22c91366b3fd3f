/** Command line of the benchmark. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import type { Workload } from './bench.js'
import { CONTENDERS, type Contender } from './contenders.js'
import { WORKLOADS } from './workloads/index.js'

export interface BenchOptions {
  readonly workloads: readonly Workload[]
  readonly contenders: readonly Contender[]
  readonly rowCount: number
  readonly cases: readonly Case[]
  readonly rounds: number
  /** Counted time of a round of commits, and the time before it that is not counted. */
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Counted time of a round of reads. */
  readonly readSeconds: number
  /** Time of each curve of the log's size. */
  readonly logSizeSeconds: number
  readonly logFrames: readonly number[]
  readonly databaseRows: readonly number[]
  readonly isQuick: boolean
  /** Where the databases are made, in a folder of their own that is removed at the end. */
  readonly folder: string
  readonly jsonFile: string | undefined
}

/** So many client processes, each with so many commits that wait at the same time. */
export interface Case {
  readonly processes: number
  readonly outstanding: number
}

/** By size: the whole, and one that only shows that everything works. */
const DEFAULTS = {
  full: {
    rows: '1000000',
    cases: '1x1,1x64,2x64,4x64,4x1',
    rounds: '3',
    seconds: '2',
    'warm-up': '3',
    'read-seconds': '0.4',
    'log-size-seconds': '8',
    'log-frames': '1000,10000,100000,1000000',
    'database-rows': '10000,100000,1000000',
  },
  quick: {
    rows: '20000',
    cases: '1x1,4x64',
    rounds: '1',
    seconds: '0.3',
    'warm-up': '0.1',
    'read-seconds': '0.02',
    'log-size-seconds': '2',
    'log-frames': '1000,10000',
    'database-rows': '1000,20000',
  },
} as const

export const USAGE = `Usage: npm start -- [all | WORKLOAD …] [options]

  Workloads: ${WORKLOADS.map(({ name }) => name).join(', ')}; commits if none is named

  --stores A,B            of: ${CONTENDERS.map(({ name }) => name).join(', ')} (all)
  --rows N                rows of the database (${DEFAULTS.full.rows})
  --cases PxO,…           of commits: processes x outstanding of each (${DEFAULTS.full.cases})
  --rounds N              rounds of each case and store, of which the medians are told (${DEFAULTS.full.rounds})
  --seconds N             counted time of a round of commits; no wait is seen that is longer (${DEFAULTS.full.seconds})
  --warm-up N             seconds before that are not counted (${DEFAULTS.full['warm-up']})
  --read-seconds N        counted time of a round of reads (${DEFAULTS.full['read-seconds']})
  --log-size-seconds N    time of each curve of log-size (${DEFAULTS.full['log-size-seconds']})
  --log-frames N,…        lengths of the log in log-growth (${DEFAULTS.full['log-frames']})
  --database-rows N,…     sizes in database-growth (${DEFAULTS.full['database-rows']})
  --quick                 everything so small that it only shows that it works
  --folder DIR            where the databases are made (${tmpdir()})
  --json FILE             writes all figures as JSON, for npm run report -- FILE
  --help                  show this
`

/** @returns undefined if help was asked for; throws an Error with the reason if the arguments are wrong */
export function parseOptions(parameters: readonly string[]): BenchOptions | undefined {
  const names = Object.keys(DEFAULTS.full) as (keyof typeof DEFAULTS.full)[]
  const sizes = Object.fromEntries(names.map((name) => [name, { type: 'string' }])) as Record<
    keyof typeof DEFAULTS.full,
    { readonly type: 'string' }
  >
  const { values, positionals } = parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: {
      ...sizes,
      stores: { type: 'string' },
      folder: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const given = { ...DEFAULTS[values.quick ? 'quick' : 'full'], ...values }
  return {
    workloads: parseWorkloads(positionals),
    contenders: values.stores === undefined ? CONTENDERS : values.stores.split(',').map(parseContender),
    rowCount: parseNumber('--rows', given.rows),
    cases: given.cases.split(',').map(parseCase),
    rounds: parseNumber('--rounds', given.rounds),
    seconds: parseNumber('--seconds', given.seconds),
    warmUpSeconds: parseNumber('--warm-up', given['warm-up']),
    readSeconds: parseNumber('--read-seconds', given['read-seconds']),
    logSizeSeconds: parseNumber('--log-size-seconds', given['log-size-seconds']),
    logFrames: parseNumbers('--log-frames', given['log-frames']),
    databaseRows: parseNumbers('--database-rows', given['database-rows']),
    isQuick: values.quick,
    folder: values.folder,
    jsonFile: values.json,
  }
}

function parseWorkloads(names: readonly string[]): readonly Workload[] {
  if (names.length === 1 && names[0] === 'all') return WORKLOADS
  return (names.length === 0 ? ['commits'] : names).map((name) => {
    const workload = WORKLOADS.find((candidate) => candidate.name === name)
    if (workload === undefined) throw new Error(`there is no workload "${name}"`)
    return workload
  })
}

function parseContender(name: string): Contender {
  const contender = CONTENDERS.find((candidate) => candidate.name === name)
  if (contender === undefined) throw new Error(`there is no store "${name}"`)
  return contender
}

function parseCase(text: string): Case {
  const [, processes, outstanding] = /^(\d+)x(\d+)$/.exec(text) ?? []
  if (processes === undefined) throw new Error(`a case is written like 4x64, not "${text}"`)
  return { processes: Number(processes), outstanding: Number(outstanding) }
}

function parseNumbers(name: string, text: string): number[] {
  return text.split(',').map((part) => parseNumber(name, part))
}

function parseNumber(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${name} must be a number above 0, not "${text}"`)
  return value
}
