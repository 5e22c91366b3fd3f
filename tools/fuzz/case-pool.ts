/**
 * Processes that try out cases, each with a limit of time and memory. One that crashes, hangs or takes too much is a finding, and another
 * takes its place.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CaseReport } from './case-process.js'
import type { Case } from './corpus.js'

const PROCESS_FILE = fileURLToPath(new URL('./case-process.js', import.meta.url))
/** Far more than a case takes on a busy machine: some milliseconds as a rule. */
const CASE_MS_MAX = 20_000
/** Of the process, Node included. The entries of the corpus are below 100 KiB; Node itself takes some 60 MiB, the caches of a Database as much at most. */
const MEMORY_BYTES_MAX = 400 << 20
const HEAP_MEGABYTES_MAX = 200
/** A process that has run for long is larger than a case makes it. */
const CASES_PER_PROCESS = 2000

export interface CaseLimits {
  readonly caseMsMax: number
  readonly memoryBytesMax: number
}

export interface Finding {
  readonly case: Case
  readonly what: string
}

export class CasePool {
  readonly #corpus: string
  readonly #limits: CaseLimits
  readonly #children = new Set<ChildProcess>()
  caseCount = 0
  readonly findings: Finding[] = []

  constructor(corpus: string, limits: CaseLimits = { caseMsMax: CASE_MS_MAX, memoryBytesMax: MEMORY_BYTES_MAX }) {
    this.#corpus = corpus
    this.#limits = limits
  }

  /** Runs the cases one after the other in one process, until there are no more. */
  async run(cases: Iterable<Case>): Promise<void> {
    let child: ChildProcess | null = null
    let left = 0
    for (const next of cases) {
      if (child === null || left === 0) {
        if (child !== null) this.#end(child)
        child = this.#start()
        left = CASES_PER_PROCESS
      }
      left--
      this.caseCount++
      const found = await this.#try(child, next)
      for (const what of found) this.findings.push({ case: next, what })
      if (found.length > 0) {
        this.#end(child)
        child = null
      }
    }
    if (child !== null) this.#end(child)
  }

  /** Kills whatever still runs. */
  abandon(): void {
    for (const child of this.#children) this.#end(child)
  }

  async #try(child: ChildProcess, given: Case): Promise<readonly string[]> {
    const waiting = new AbortController()
    const { signal } = waiting
    const { caseMsMax, memoryBytesMax } = this.#limits
    const answered = once(child, 'message', { signal }).then(([report]) => judge(report as CaseReport, memoryBytesMax))
    const crashed = once(child, 'close', { signal }).then(([code, by]) => [`the process ended (${by ?? code})`])
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<string[]>((resolve) => {
      timer = setTimeout(() => resolve([`hang: not done after ${caseMsMax} ms`]), caseMsMax)
    })
    for (const promise of [answered, crashed]) promise.catch(() => {})
    child.send(given)
    const found = await Promise.race([answered, crashed, late])
    clearTimeout(timer)
    waiting.abort()
    return found
  }

  #start(): ChildProcess {
    const execArgv = [`--max-old-space-size=${HEAP_MEGABYTES_MAX}`]
    const child = fork(PROCESS_FILE, [this.#corpus], { execArgv })
    this.#children.add(child)
    child.once('close', () => this.#children.delete(child))
    return child
  }

  /** It removes its folder then; should it hang, it is killed. */
  #end(child: ChildProcess): void {
    if (child.connected) child.disconnect()
    setTimeout(() => child.kill('SIGKILL'), 1000).unref()
  }
}

function judge({ findings, maxBytes }: CaseReport, memoryBytesMax: number): string[] {
  const tooLarge = maxBytes > memoryBytesMax ? [`memory: ${maxBytes >> 20} MiB`] : []
  return [...findings, ...tooLarge]
}
