/**
 * The writer process of the demo: what `endmark serve` runs, for the life of the demo. Several times a second, and a last
 * time before it ends, it reports what it has done.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { stopOnSignals, WriterProcess } from '../../workers/writer-process.js'
import type { ServingProgress } from './messages.js'

const REPORT_INTERVAL_MS = 200
/** The workers of a demo that was killed have long left by then. */
const LEAVE_MAX_MS = 10_000
const LOOK_EVERY_MS = 20

const writer = await WriterProcess.start(process.argv[2] ?? '', {
  // Entries with a message are failures; the others are for whoever looks after a service.
  log: (entry) => {
    if ('message' in entry) console.error(JSON.stringify(entry))
  },
})
stopOnSignals(writer)
process.once('message', () => {
  report()
  void writer.stop('the demo is over')
})
// Nobody said so: the demo was killed.
process.once('disconnect', () => void stopAfterClients())

report()
const timer = setInterval(report, REPORT_INTERVAL_MS)
const { failure } = await writer.ended
clearInterval(timer)
if (failure !== null) process.exitCode = 1
if (process.connected) process.disconnect()

/** Clients whose writer process ends start another one, which would outlive them. */
async function stopAfterClients(): Promise<void> {
  const deadlineMs = performance.now() + LEAVE_MAX_MS
  while (!writer.isEnding && writer.stats().clients > 0 && performance.now() < deadlineMs) await delay(LOOK_EVERY_MS)
  void writer.stop('the demo is gone')
}

function report(): void {
  if (writer.isEnding || !process.connected) return
  const { transactions, batches, checkpoints, clients } = writer.stats()
  const progress: ServingProgress = { commits: transactions, batches, checkpoints, clients }
  // Whoever was killed hears of nothing, which `disconnect` will say.
  process.send?.(progress, undefined, undefined, () => {})
}
