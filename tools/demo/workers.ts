/** The worker processes as the demo's main process sees them: their latest reports, and their end. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { WorkerProgress, WorkerStart } from './messages.js'

type WorkerFile = './writer.js' | './reader.js'

const NOTHING_YET: WorkerProgress = {
  commits: 0,
  reads: 0,
  scans: 0,
  checkpoints: 0,
  stallMaxMs: 0,
  stallP99Ms: 0,
  violations: [],
  isLast: false,
}

/** Of all processes together; of stalls the worst process. */
export type Totals = Omit<WorkerProgress, 'isLast'>

export class Workers {
  readonly #latest: WorkerProgress[] = []
  readonly #children: ChildProcess[] = []
  readonly #ends: Promise<void>[] = []

  start(file: WorkerFile, count: number, message: WorkerStart): void {
    for (let started = 0; started < count; started++) this.#startOne(file, message)
  }

  /** Resolves when all workers have ended; rejects if one of them failed. */
  async allEnded(): Promise<void> {
    await Promise.all(this.#ends)
  }

  /** Those that still run end after their round. Resolves when they have. */
  async stop(): Promise<void> {
    for (const child of this.#children) if (child.connected) child.send('stop', () => {})
    await Promise.allSettled(this.#ends)
  }

  totals(): Totals {
    const sum = (field: 'commits' | 'reads' | 'scans' | 'checkpoints') =>
      this.#latest.reduce((total, progress) => total + progress[field], 0)
    const worst = (field: 'stallMaxMs' | 'stallP99Ms') =>
      this.#latest.reduce((longest, progress) => Math.max(longest, progress[field]), 0)
    return {
      commits: sum('commits'),
      reads: sum('reads'),
      scans: sum('scans'),
      checkpoints: sum('checkpoints'),
      stallMaxMs: worst('stallMaxMs'),
      stallP99Ms: worst('stallP99Ms'),
      violations: this.#latest.flatMap((progress) => progress.violations),
    }
  }

  #startOne(file: WorkerFile, message: WorkerStart): void {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)))
    this.#children.push(child)
    const index = this.#latest.push(NOTHING_YET) - 1
    child.on('message', (progress) => {
      this.#latest[index] = progress as WorkerProgress
    })
    this.#ends.push(this.#end(child, index, file))
    child.send(message)
  }

  #end(child: ChildProcess, index: number, file: WorkerFile): Promise<void> {
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      // Not `exit`: that may come before the last report has been read.
      child.on('close', (code, signal) => {
        if (code === 0 && this.#latest[index]?.isLast) resolve()
        else reject(new Error(`${file} ended early (${signal ?? `exit code ${code}`})`))
      })
    })
  }
}
