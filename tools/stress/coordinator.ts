/**
 * Runs the processes, kills them, and keeps the history of what was begun, answered and read, outside the database. The
 * history is checked in segments, at moments when nothing is under way and nothing is in doubt, so that a run of many hours needs
 * no more memory than a short one; the processes and the files go on from segment to segment.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Database, open } from '../../src/index.js'
import { Random } from '../../test/support/random.js'
import { checkHistory } from './check-history.js'
import { type History, type KeyState, NOBODY } from './history.js'
import { Lane, type Step } from './lane.js'
import type { Command, RefereeReport, WorkerSettings } from './messages.js'
import type { StressOptions } from './options.js'
import { ProbeProcess } from './probe-process.js'
import { Serving } from './serving.js'
import type { StressSummary } from './summary.js'
import { type EngineName, type Outcome, WorkerProcess } from './worker-process.js'
import { CELLS, encodeCell, KEY_COUNT, LANES, parseCell, parseLane } from './workload.js'

const ENDMARK_LANES = 4
const SEGMENT_MS = 15_000
/** Operations of one segment: bounds its memory. */
const SEGMENT_OPERATIONS_MAX = 100_000
const RESTART_MS_MAX = 300
const REFEREE_FILE = fileURLToPath(new URL('./referee.js', import.meta.url))
/** All rows as one line of JSON. */
const REFEREE_OUTPUT_MAX = 1 << 26

export class Coordinator {
  readonly #path: string
  readonly #options: StressOptions
  readonly #violations: string[] = []
  readonly #random: Random
  readonly #workers: WorkerProcess[] = []
  readonly #lanes: { readonly lane: Lane; readonly worker: WorkerProcess }[] = []
  readonly #onSegment: (summary: StressSummary, history: History) => void
  #serving: Serving | null = null
  #probe: ProbeProcess | null = null
  #states: KeyState[] = Array.from({ length: KEY_COUNT }, () => ({ version: 0, writer: NOBODY }))
  /** Counts what is sent and received. */
  #clock = 0
  #lastId = 0
  #segments = 0
  #segmentEnd = 0
  #segmentOperations = 0
  #operations = 0
  #snapshots = 0
  #aborted = 0
  #referee: RefereeReport | null = null

  constructor(
    path: string,
    options: StressOptions,
    onSegment: (summary: StressSummary, history: History) => void = () => {},
  ) {
    this.#path = path
    this.#options = options
    this.#onSegment = onSegment
    this.#random = new Random(options.seed)
    for (let index = 0; index < options.processes; index++) {
      this.#addWorker(options.sqlite && index % 2 === 1 ? 'sqlite' : 'endmark')
    }
  }

  async run(): Promise<StressSummary> {
    const { seconds, operations, mode, sqlite } = this.#options
    await this.#prepare()
    if (mode === 'process') this.#serving = new Serving(this.#path, this.#violations)
    this.#probe = new ProbeProcess(this.#path, { sqlite })
    try {
      const endMs = performance.now() + seconds * 1000
      do await this.#runSegment(endMs)
      while (performance.now() < endMs && this.#operations < operations && this.#violations.length === 0)
      await this.#probe.end()
      for (const worker of this.#workers) await worker.end(++this.#lastId)
      await this.#serving?.end()
    } finally {
      this.abandon()
    }
    await this.#askSqlite()
    return this.summary()
  }

  /** Kills whatever still runs. */
  abandon(): void {
    for (const worker of this.#workers) worker.kill()
    this.#serving?.abandon()
    this.#probe?.abandon()
  }

  summary(): StressSummary {
    const sum = (count: (lane: Lane) => number) => this.#lanes.reduce((total, { lane }) => total + count(lane), 0)
    const violations = [...this.#violations, ...(this.#probe?.latest.breaches ?? [])]
    return {
      options: this.#options,
      segments: this.#segments,
      commits: sum((lane) => lane.commitCount + lane.foundCount),
      foundCommits: sum((lane) => lane.foundCount),
      snapshots: this.#snapshots,
      aborted: this.#aborted,
      workerKills: this.#workers.reduce((total, { killCount }) => total + killCount, 0),
      writerKills: this.#serving?.killCount ?? 0,
      checkpointerKills: this.#serving?.checkpointerKillCount ?? 0,
      probe: this.#probe?.latest ?? null,
      lost: violations.filter((what) => what.startsWith('lost')).length,
      violations,
      integrity: this.#referee?.integrity ?? null,
    }
  }

  #addWorker(engine: EngineName): void {
    const settings = (): WorkerSettings => ({
      path: this.#path,
      options: {
        writer: this.#options.mode === 'process' ? 'auto' : 'inline',
        synchronous: this.#random.pick(['off', 'normal', 'full']),
        autoCheckpoint: this.#random.pick([10, 50, 300, 1000]),
      },
    })
    const worker = new WorkerProcess(engine, settings, this.#violations)
    this.#workers.push(worker)
    for (let count = engine === 'sqlite' ? 1 : ENDMARK_LANES; count > 0; count--) {
      const index = this.#lanes.length
      const random = new Random(this.#options.seed + 7919 * (index + 1))
      this.#lanes.push({ lane: new Lane(index, random, this.#options.killProbability, this.#violations), worker })
    }
  }

  async #prepare(): Promise<void> {
    await this.#withDatabase(async (db) => {
      const cells = await db.map<number, string>(CELLS, { key: 'integer', value: 'text' })
      await db.map<number, string>(LANES, { key: 'integer', value: 'text' })
      await db.transaction((tx) => {
        for (const [key, { version, writer }] of this.#states.entries()) {
          tx.put(cells, key, encodeCell(key, { version, writer, amount: 0 }))
        }
      })
    })
  }

  async #runSegment(endMs: number): Promise<void> {
    this.#segmentEnd = Math.min(endMs, performance.now() + SEGMENT_MS)
    this.#segmentOperations = 0
    await Promise.all(this.#lanes.map(({ lane, worker }) => this.#runLane(lane, worker)))
    const before = this.#states
    await this.#withDatabase((db) => this.#readStates(db))
    const entries = this.#lanes.flatMap(({ lane }) => lane.entries)
    const history: History = { before, after: this.#states, entries }
    this.#violations.push(...checkHistory(history))
    for (const { lane } of this.#lanes) lane.entries = []
    this.#segments++
    this.#onSegment(this.summary(), history)
  }

  async #runLane(lane: Lane, worker: WorkerProcess): Promise<void> {
    while (this.#isSegmentGoingOn()) {
      this.#segmentOperations++
      this.#operations++
      const step = lane.draw(++this.#lastId)
      await this.#take(lane, worker, step.command, () => this.#killFor(step, worker))
    }
    while (lane.isInDoubt && this.#violations.length === 0) {
      await this.#take(lane, worker, lane.settling(++this.#lastId), () => {})
    }
  }

  #isSegmentGoingOn(): boolean {
    return (
      performance.now() < this.#segmentEnd &&
      this.#segmentOperations < SEGMENT_OPERATIONS_MAX &&
      this.#operations < this.#options.operations &&
      this.#violations.length === 0
    )
  }

  async #take(lane: Lane, worker: WorkerProcess, command: Command, onSent: () => void): Promise<void> {
    let begin = 0
    let pinned = 0
    const sent = () => {
      begin = ++this.#clock
      onSent()
    }
    const outcome = await worker.ask(command, sent, () => {
      pinned = ++this.#clock
    })
    // A snapshot takes effect when it is taken, however long it is held.
    const end = command.type === 'snapshot' ? pinned : ++this.#clock
    this.#count(outcome, worker)
    lane.settle(command, outcome, begin, end)
  }

  #count(outcome: Outcome, worker: WorkerProcess): void {
    if (outcome.type === 'seen') this.#snapshots++
    if (outcome.type === 'aborted') this.#aborted++
    if (outcome.type === 'failed') this.#violations.push(`${worker.engine} failed: ${outcome.message}`)
  }

  #killFor({ killAfterMs, killsAll, killsWriter, killsCheckpointer }: Step, worker: WorkerProcess): void {
    if (killAfterMs !== null) setTimeout(() => (killsAll ? this.#killAll() : worker.kill()), killAfterMs)
    if (killsWriter) this.#serving?.kill(this.#random.below(RESTART_MS_MAX))
    if (killsCheckpointer) this.#serving?.killCheckpointer()
  }

  #killAll(): void {
    for (const worker of this.#workers) worker.kill()
    this.#serving?.killCheckpointer()
    this.#serving?.kill(this.#random.below(RESTART_MS_MAX))
  }

  async #readStates(db: Database): Promise<void> {
    const cells = await db.map<number, string>(CELLS)
    const lanes = await db.map<number, string>(LANES)
    const rows = db.read((snapshot) => ({
      cells: [...snapshot.range(cells)],
      lanes: [...snapshot.range(lanes)],
    }))
    this.#states = this.#statesOf(rows.cells)
    this.#checkLanes(rows.lanes)
  }

  #statesOf(rows: RefereeReport['cells']): KeyState[] {
    if (rows.length !== KEY_COUNT) this.#violations.push(`wrong data: ${rows.length} keys where ${KEY_COUNT} must be`)
    let sum = 0
    const states = rows.map(([key, text]) => {
      const { version, writer, amount } = parseCell(key, text)
      sum += amount
      return { version, writer }
    })
    if (sum !== 0) this.#violations.push(`wrong data: the sum of all amounts is ${sum}`)
    return states
  }

  #checkLanes(rows: RefereeReport['lanes']): void {
    const lastNumbers = new Map(rows.map(([lane, text]) => [lane, parseLane(text).last]))
    for (const { lane } of this.#lanes) {
      const last = lastNumbers.get(lane.index) ?? 0
      const kind = last < lane.committed ? 'lost commit' : 'phantom'
      if (last !== lane.committed && !lane.isInDoubt) {
        this.#violations.push(`${kind}: lane ${lane.index} ends at ${last}, ${lane.committed} is known`)
      }
    }
  }

  /** In this process, while the workers may have it open as well. */
  async #withDatabase(work: (db: Database) => Promise<void>): Promise<void> {
    const db = await open(this.#path, { writer: 'inline', timeout: 30_000 })
    try {
      await work(db)
    } finally {
      await db.close()
    }
  }

  /** Everybody has gone. */
  async #askSqlite(): Promise<void> {
    const options = { maxBuffer: REFEREE_OUTPUT_MAX }
    const { stdout } = await promisify(execFile)(process.execPath, [REFEREE_FILE, this.#path], options)
    this.#referee = JSON.parse(stdout) as RefereeReport
    const { integrity, cells, lanes } = this.#referee
    if (integrity !== 'ok') this.#violations.push(`integrity_check: ${integrity}`)
    for (const [key, { version, writer }] of this.#statesOf(cells).entries()) {
      const known = this.#states[key]
      if (known?.version !== version || known.writer !== writer) {
        const kind = known !== undefined && version < known.version ? 'lost commit' : 'wrong data'
        this.#violations.push(`${kind}: SQLite sees version ${version} of key ${key}, ${known?.version} was there`)
      }
    }
    this.#checkLanes(lanes)
  }
}
