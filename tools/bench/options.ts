/** Command line of the benchmark. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { CONTENDERS, type Contender } from './contenders.js'

export type WorkloadName = 'commits' | 'fairness'

export interface BenchOptions {
  readonly workload: WorkloadName
  readonly contenders: readonly Contender[]
  readonly rowCount: number
  readonly cases: readonly Case[]
  readonly rounds: number
  /** Counted time of a round, and the time before it that is not counted. */
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Where the databases are made, in a folder of their own that is removed at the end. */
  readonly folder: string
  readonly jsonFile: string | undefined
}

/** So many client processes, each with so many commits that wait at the same time. */
export interface Case {
  readonly processes: number
  readonly outstanding: number
}

export const USAGE = `Usage: npm start -- [commits | fairness] [options]

  commits   one-row durable commits by several processes, all stores in turn
  fairness  a SQLite process makes 1,000 commits beside saturated Endmark processes

  --stores A,B    of: ${CONTENDERS.map(({ name }) => name).join(', ')} (all)
  --rows N        rows of the database (10000)
  --cases PxO,…   processes x outstanding commits of each (4x64,4x1,1x1,1x64)
  --rounds N      rounds of each case and store, of which the medians are told (3)
  --seconds N     counted time of a round; no wait is seen that is longer (5)
  --warm-up N     seconds before that are not counted (0.5)
  --folder DIR    where the databases are made (${tmpdir()})
  --json FILE     writes all figures as JSON
  --help          show this
`

/** @returns undefined if help was asked for; throws an Error with the reason if the arguments are wrong */
export function parseOptions(parameters: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: {
      stores: { type: 'string' },
      rows: { type: 'string', default: '10000' },
      cases: { type: 'string', default: '4x64,4x1,1x1,1x64' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      'warm-up': { type: 'string', default: '0.5' },
      folder: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    workload: parseWorkload(positionals),
    contenders: values.stores === undefined ? CONTENDERS : values.stores.split(',').map(parseContender),
    rowCount: parseNumber('--rows', values.rows),
    cases: values.cases.split(',').map(parseCase),
    rounds: parseNumber('--rounds', values.rounds),
    seconds: parseNumber('--seconds', values.seconds),
    warmUpSeconds: parseNumber('--warm-up', values['warm-up']),
    folder: values.folder,
    jsonFile: values.json,
  }
}

function parseWorkload([name = 'commits', ...others]: readonly string[]): WorkloadName {
  if (others.length > 0) throw new Error('one workload at a time')
  if (name !== 'commits' && name !== 'fairness') throw new Error(`there is no workload "${name}"`)
  return name
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

function parseNumber(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${name} must be a number above 0, not "${text}"`)
  return value
}
