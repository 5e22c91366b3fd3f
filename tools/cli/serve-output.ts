/**
 * What `endmark serve` prints. On a terminal: what happens, one line each, and below it one line of figures that is written
 * anew every second. Anywhere else: JSON lines, for whatever collects the logs.
 */
import type { LogEntry } from '../../ipc/server.js'
import type { WriterStats } from '../../workers/writer-process.js'

export interface ServeOutput {
  event(entry: LogEntry): void
  /** `seconds` since the figures before. */
  figures(now: WriterStats, before: WriterStats, seconds: number): void
  end(): void
}

/** The part of a stream that is used. */
export interface OutputStream {
  readonly columns?: number
  /** Bytes that were written and not taken yet. */
  readonly writableLength?: number
  write(text: string): unknown
}

const START_OF_EMPTY_LINE = '\r\x1b[2K'
const COLUMNS_DEFAULT = 80
/** Bytes of a log that nobody reads; what comes after them is dropped. */
const UNREAD_SIZE_MAX = 1 << 20

export class JsonLines implements ServeOutput {
  readonly #stream: OutputStream

  constructor(stream: OutputStream) {
    this.#stream = stream
  }

  event(entry: LogEntry): void {
    // Nobody reads any more: the log must not grow in memory instead.
    if ((this.#stream.writableLength ?? 0) > UNREAD_SIZE_MAX) return
    this.#stream.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`)
  }

  figures(now: WriterStats, before: WriterStats, seconds: number): void {
    const { clients, logFrames, backfilled, checkpointer } = now
    const { commitsPerSecond, batchSize } = rates(now, before, seconds)
    this.event({ event: 'stats', clients, commitsPerSecond, batchSize, logFrames, backfilled, checkpointer })
  }

  end(): void {}
}

export class StatusLine implements ServeOutput {
  readonly #stream: OutputStream
  #status = ''

  constructor(stream: OutputStream) {
    this.#stream = stream
  }

  event({ event, ...fields }: LogEntry): void {
    const details = Object.entries(fields).map(([name, value]) => `${name} ${value}`)
    const line = [event, details.join(', ')].filter(Boolean).join(': ')
    this.#stream.write(`${START_OF_EMPTY_LINE}${new Date().toLocaleTimeString()} ${line}\n${this.#status}`)
  }

  figures(now: WriterStats, before: WriterStats, seconds: number): void {
    const { commitsPerSecond, batchSize } = rates(now, before, seconds)
    const parts = [
      count(now.clients, 'client'),
      `${commitsPerSecond.toLocaleString('en')} commits/s`,
      `${batchSize} a batch`,
      `log ${now.logFrames.toLocaleString('en')} frames, ${now.backfilled.toLocaleString('en')} backfilled`,
    ]
    if (now.checkpointer === 0) parts.push('no checkpointer')
    // A line that wraps could not be written anew.
    this.#status = parts.join(' | ').slice(0, (this.#stream.columns || COLUMNS_DEFAULT) - 1)
    this.#stream.write(START_OF_EMPTY_LINE + this.#status)
  }

  end(): void {
    if (this.#status !== '') this.#stream.write(START_OF_EMPTY_LINE)
    this.#status = ''
  }
}

function count(value: number, what: string): string {
  return `${value} ${what}${value === 1 ? '' : 's'}`
}

function rates(now: WriterStats, before: WriterStats, seconds: number) {
  const transactions = now.transactions - before.transactions
  const batches = now.batches - before.batches
  return {
    commitsPerSecond: Math.round(transactions / seconds),
    batchSize: batches === 0 ? 0 : Math.round((transactions / batches) * 10) / 10,
  }
}
