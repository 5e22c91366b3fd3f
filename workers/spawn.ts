/**
 * Starts a writer process of its own, detached: it outlives whoever started it, and ends by itself some time after the last
 * client has gone. The engine loads this file when it is asked to start one.
 */
import { spawn } from 'node:child_process'
import { resolve as resolvePath } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EndmarkError, ERROR_CODES, type ErrorCode } from '../src/errors.js'

const WRITER_FILE = fileURLToPath(new URL('./writer.js', import.meta.url))

/** Long enough that a program that is restarted, or a script of several programs, finds it still there. */
export const IDLE_EXIT_MS = 30_000

/** Opening may roll a long log forward first; whoever waits longer than this commits by himself meanwhile. */
const READY_MAX_MS = 30_000

export interface StartWriterOptions {
  /** Ends after so many ms without a client. Default 30 s. */
  readonly idleExitMs?: number
  /** Frames between two checkpoints. Default 1000. */
  readonly autoCheckpoint?: number | undefined
  /** Bytes of the log in use past which commits wait. Default: no limit. */
  readonly walLimit?: number | undefined
  /** Milliseconds past which a snapshot that blocks a full log is ended. Default: none. */
  readonly snapshotTimeout?: number | undefined
  /** Whether the database may be on a FUSE mount. Default false. */
  readonly allowFuse?: boolean
  /** File to which it appends its log, JSON lines. Default: none. */
  readonly logFile?: string | undefined
}

/** Command line of the writer process: these as JSON. */
export interface WriterSettings {
  readonly path: string
  /** Whether the database is created if it is missing. Default true. */
  readonly create?: boolean
  readonly idleExitMs: number
  readonly autoCheckpoint?: number
  readonly walLimit?: number
  readonly snapshotTimeout?: number
  readonly allowFuse?: boolean
  readonly logFile?: string
}

export type FromWriter =
  | { readonly type: 'ready'; readonly pid: number }
  /** Another process has the role. */
  | { readonly type: 'taken' }
  | { readonly type: 'failed'; readonly code: string | null; readonly message: string }

/**
 * @param path of the database, which is created if it is missing
 * @returns its process id; null: another one serves the database already
 * @throws (rejects) the error that kept it from starting
 */
export function startWriterProcess(path: string, options: StartWriterOptions = {}): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = launch(path, options)
    const timer = setTimeout(() => failed(`it was not ready within ${READY_MAX_MS / 1000} s`), READY_MAX_MS)
    const settle = (work: () => void) => {
      clearTimeout(timer)
      child.removeAllListeners()
      if (child.connected) child.disconnect()
      child.unref()
      work()
    }
    const failed = (why: string, code: string | null = 'ENDMARK_IO', cause?: unknown) => {
      const message = `the writer process of ${path} did not start: ${why}`
      settle(() => reject(new EndmarkError(knownCode(code), message, { file: path, cause })))
    }
    child.once('error', (error) => failed(error.message, 'ENDMARK_IO', error))
    child.once('exit', (code, signal) => failed(`it ended with ${signal ?? `code ${code}`}`))
    child.on('message', (message) => {
      const told = message as FromWriter
      if (told.type === 'ready') settle(() => resolve(told.pid))
      else if (told.type === 'taken') settle(() => resolve(null))
      else failed(told.message, told.code)
    })
  })
}

/**
 * The same for somebody who has the database open and does not wait: it keeps nobody's process alive, and failing means that nobody
 * serves. A database that was closed and removed before the process comes to open it is not made anew.
 */
export function spawnWriter(path: string, options: StartWriterOptions = {}): void {
  const child = launch(path, { ...options, create: false })
  // Without a listener a failure to start would be thrown.
  child.once('error', () => {})
  child.unref()
  child.channel?.unref()
}

function launch(path: string, options: StartWriterOptions & Pick<WriterSettings, 'create'>) {
  const { create = true, idleExitMs = IDLE_EXIT_MS, allowFuse = false } = options
  const { autoCheckpoint, walLimit, snapshotTimeout, logFile } = options
  const settings: WriterSettings = {
    path: resolvePath(path),
    create,
    idleExitMs,
    allowFuse,
    ...(autoCheckpoint === undefined ? {} : { autoCheckpoint }),
    // JSON has no infinity: that is the default.
    ...(walLimit === undefined || walLimit === Number.POSITIVE_INFINITY ? {} : { walLimit }),
    ...(snapshotTimeout === undefined || snapshotTimeout === Number.POSITIVE_INFINITY ? {} : { snapshotTimeout }),
    ...(logFile === undefined ? {} : { logFile: resolvePath(logFile) }),
  }
  return spawn(process.execPath, [WRITER_FILE, JSON.stringify(settings)], {
    // Not in the folder of whoever started it, which it would keep from being unmounted.
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
}

function knownCode(code: string | null): ErrorCode {
  return ERROR_CODES.find((known) => known === code) ?? 'ENDMARK_IO'
}
