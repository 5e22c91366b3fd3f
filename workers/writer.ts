/**
 * Entry point of a writer process that nobody looks after: started detached by spawn.ts, it says when it is ready, or why not,
 * and ends by itself when nobody has needed it for a while.
 */
import { appendFileSync, realpathSync } from 'node:fs'
import { roleFileOf } from '../ipc/role-lock.js'
import type { LogEntry } from '../ipc/server.js'
import type { FromWriter, WriterSettings } from './spawn.js'
import { stopOnSignals, WriterProcess } from './writer-process.js'

function tell(message: FromWriter): void {
  // Whoever started us may be gone: nobody waits then.
  if (process.connected) process.send!(message, () => process.connected && process.disconnect())
}

const { path, logFile, ...settings } = JSON.parse(process.argv[2] ?? '{}') as WriterSettings

function log(entry: LogEntry): void {
  if (logFile === undefined) return
  try {
    appendFileSync(logFile, `${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`)
  } catch {
    // A log that cannot be written must not keep anyone from committing.
  }
}

try {
  const writer = await WriterProcess.start(path, { ...settings, log })
  stopOnSignals(writer)
  // The terminal that it was started from is closed: no reason for it to go.
  process.on('SIGHUP', () => {})
  tell({ type: 'ready', pid: process.pid })
  const { failure } = await writer.ended
  if (failure !== null) process.exitCode = 1
} catch (error) {
  const { code, message, file } = error as { code?: string; message: string; file?: string }
  const isTaken = code === 'ENDMARK_BUSY' && file !== undefined && file === roleFileOf(realpathSync(path), 'writer')
  log({ event: 'failed', code: code ?? '', message })
  tell(isTaken ? { type: 'taken' } : { type: 'failed', code: code ?? null, message })
  process.exitCode = 1
}
