/** The probe as the coordinator sees it: its latest report, and its end. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ProbeReport } from './messages.js'

const PROBE_FILE = fileURLToPath(new URL('./probe.js', import.meta.url))

export class ProbeProcess {
  readonly #child: ChildProcess
  latest: ProbeReport = { looks: 0, changes: 0, generations: 0, holds: 0, breaches: [] }

  /** @param sqlite whether SQLite writes as well */
  constructor(path: string, { sqlite }: { readonly sqlite: boolean }) {
    this.#child = fork(PROBE_FILE, [path, String(sqlite)])
    this.#child.on('message', (report) => {
      this.latest = report as ProbeReport
    })
    this.#child.once('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') return
      const breaches = [...this.latest.breaches, `the probe ended (${signal ?? code})`]
      this.latest = { ...this.latest, breaches }
    })
  }

  /** Resolves when its last report has come. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const closed = once(this.#child, 'close')
    this.#child.send('end')
    await closed
  }

  abandon(): void {
    this.#child.kill('SIGKILL')
  }
}
