/** What every workload works with: options, databases, stores, and how rounds of the stores alternate. */
import { totalmem } from 'node:os'
import { type Agent, withAgents } from './agents.js'
import type { Contender } from './contenders.js'
import { type DatabaseKind, type Databases, databaseSize } from './databases.js'
import { combineRounds, type Figures } from './figures.js'
import type { BenchOptions } from './options.js'
import type { Durability, OpenSettings } from './peers/peer.js'
import type { ResultRow, WorkloadResult } from './results.js'
import { KEY_SIZE_BYTES, VALUE_SIZE_BYTES } from './rows.js'
import type { LoopTime } from './tasks/timing.js'
import { withWriterProcess } from './writer-process.js'

export interface Workload {
  readonly name: string
  readonly title: string
  /** What is done and how it is timed, for whoever reads the tables. */
  readonly about: string
  run(bench: Bench): Promise<Pick<WorkloadResult, 'rows' | 'series'>>
}

export interface Bench {
  readonly options: BenchOptions
  readonly contenders: readonly Contender[]
  readonly databases: Databases
  progress(text: string): void
}

/** A store at work: its agent and its database. */
export interface Reader {
  readonly contender: Contender
  readonly agent: Agent
  readonly path: string
}

export function readersOf({ contenders }: Bench): readonly Contender[] {
  return contenders.filter(({ reads }) => reads)
}

/** @param processes those that must be able to have the database open at once */
export function writersOf({ contenders }: Bench, processes = 1): readonly Contender[] {
  return contenders.filter(({ writes, isShared }) => writes && (isShared || processes === 1))
}

/** In counted times: what is read by a new process is compiled, and its caches filled, within about a second. */
const READ_WARM_UP = 3

export function readTime({ options }: Bench): LoopTime {
  return { warmUpSeconds: options.readSeconds * READ_WARM_UP, seconds: options.readSeconds }
}

export const FULL_TEXT: OpenSettings = { keys: 'text', synchronous: 'full' }

/** Makes the databases that are missing, so that no round is about that. */
export async function makeDatabases(
  { databases, progress }: Bench,
  contenders: readonly Contender[],
  kind: DatabaseKind,
): Promise<void> {
  for (const contender of contenders) {
    if (databases.has(contender, kind)) continue
    progress(`makes a database of ${kind.rowCount} rows: ${contender.name}`)
    await databases.pathFor(contender, kind)
  }
}

/** One agent of each contender, on a database of this kind, for as long as `use` takes. */
export async function withReaders<T>(
  bench: Bench,
  contenders: readonly Contender[],
  kind: DatabaseKind,
  use: (readers: readonly Reader[]) => Promise<T>,
  more: Partial<OpenSettings> = {},
): Promise<T> {
  await makeDatabases(bench, contenders, kind)
  const paths = await Promise.all(contenders.map((contender) => bench.databases.pathFor(contender, kind)))
  const settings = { ...FULL_TEXT, keys: kind.keys ?? 'text', ...more }
  const starts = contenders.map(({ peer }, index) => ({ peer, path: paths[index]!, settings }))
  return withAgents(starts, (agents) =>
    use(contenders.map((contender, index) => ({ contender, agent: agents[index]!, path: paths[index]! }))),
  )
}

/** A store that has taken so much more time for its rounds of one case than they count is not asked for more of them. */
const PATIENCE_MS = 10_000

/** One round of each in turn, as often as asked for, so that a slow moment of the machine does not fall on one of them. */
export async function alternate<Subject, Round>(
  { options: { rounds, warmUpSeconds, seconds }, progress }: Bench,
  subjects: readonly Subject[],
  name: (subject: Subject) => string,
  measure: (subject: Subject, round: number) => Promise<Round>,
): Promise<Map<Subject, Round[]>> {
  const done = new Map(subjects.map((subject) => [subject, [] as Round[]]))
  const taken = new Map(subjects.map((subject) => [subject, 0]))
  for (let round = 1; round <= rounds; round++) {
    for (const [subject, its] of done) {
      if (taken.get(subject)! > PATIENCE_MS + its.length * (warmUpSeconds + seconds) * 1000) continue
      progress(`${name(subject)}, round ${round} of ${rounds}`)
      const begun = performance.now()
      its.push(await measure(subject, round))
      taken.set(subject, taken.get(subject)! + performance.now() - begun)
    }
  }
  return done
}

/** `use`, with a writer process on the database if the contender has one; then it gets its process id. */
export function served<T>(
  { isServed }: Contender,
  path: string,
  use: (writerPid: number | null) => Promise<T>,
): Promise<T> {
  return isServed ? withWriterProcess(path, use) : use(null)
}

export interface RowOf {
  readonly case: string
  readonly contender: Contender
  /** Where the database is, or how large it was. */
  readonly data: string | { readonly sizeBytes: number }
  readonly rowCount: number
  readonly rounds: readonly Figures[]
  /** Default: full. */
  readonly synchronous?: Durability
  /** Default: 1. */
  readonly processes?: number
  /** Default: 1. */
  readonly outstanding?: number
}

export function resultRow(given: RowOf, more: Pick<ResultRow, 'x' | 'quantiles' | 'note'> = {}): ResultRow {
  return {
    case: given.case,
    store: given.contender.name,
    conditions: {
      rows: given.rowCount,
      dataMb: (typeof given.data === 'string' ? databaseSize(given.data) : given.data.sizeBytes) / 2 ** 20,
      memoryMb: totalmem() / 2 ** 20,
      keyBytes: KEY_SIZE_BYTES,
      valueBytes: VALUE_SIZE_BYTES,
      synchronous: given.synchronous ?? 'full',
      processes: given.processes ?? 1,
      outstanding: given.outstanding ?? 1,
    },
    figures: combineRounds(given.rounds),
    rounds: given.rounds,
    ...more,
  }
}

/** One case of a workload in which each reader does the same by itself. */
export async function readCase(
  bench: Bench,
  { case: name, rowCount }: { readonly case: string; readonly rowCount: number },
  readers: readonly Reader[],
  measure: (agent: Agent, round: number) => Promise<Figures>,
): Promise<ResultRow[]> {
  const rounds = await alternate(
    bench,
    readers,
    ({ contender }) => `${name}: ${contender.name}`,
    async ({ agent }, round) => ({ ...(await measure(agent, round)), ...agent.memory }),
  )
  return [...rounds].map(([{ contender, path }, done]) =>
    resultRow({ case: name, contender, data: path, rowCount, rounds: done }),
  )
}
