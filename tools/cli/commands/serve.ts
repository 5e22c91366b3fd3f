/** `endmark serve FILE`: the writer process, in the foreground, until it is told to stop. */
import { parseArgs } from 'node:util'
import { stopOnSignals, WriterProcess } from '../../../workers/writer-process.js'
import { JsonLines, type ServeOutput, StatusLine } from '../serve-output.js'
import { Terminal } from '../terminal.js'
import { requireFile, requireNumber } from '../usage.js'

const STATUS_LINE_SECONDS = 1
/** For the last lines of the log to be read. */
const FLUSH_MAX_MS = 1000

const OPTIONS = {
  'auto-checkpoint': { type: 'string', default: '1000' },
  'idle-exit': { type: 'string', default: '0' },
  'stats-every': { type: 'string', default: '10' },
  'wal-limit': { type: 'string' },
  'snapshot-timeout': { type: 'string' },
  'allow-fuse': { type: 'boolean', default: false },
} as const

export async function serve(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const path = requireFile(positionals)
  const autoCheckpoint = requireNumber('auto-checkpoint', values['auto-checkpoint'], { min: 1, isWhole: true })
  const idleExitMs = requireNumber('idle-exit', values['idle-exit'], { min: 0, isWhole: false }) * 1000
  const walLimit = optionalNumber('wal-limit', values['wal-limit'])
  const snapshotTimeout = optionalNumber('snapshot-timeout', values['snapshot-timeout'])
  const statsSeconds = requireNumber('stats-every', values['stats-every'], { min: 0.1, isWhole: false })

  const { stdout } = process
  // Whoever read our log may go away; those who commit through us stay.
  stdout.on('error', () => {})
  const output: ServeOutput = stdout.isTTY ? new StatusLine(new Terminal(stdout)) : new JsonLines(stdout)
  const log = (entry: Parameters<ServeOutput['event']>[0]) => output.event(entry)
  const limits = { walLimit, snapshotTimeout, allowFuse: values['allow-fuse'] }
  const writer = await WriterProcess.start(path, { ...limits, autoCheckpoint, idleExitMs, log })
  stopOnSignals(writer)
  const timer = showFigures(writer, output, stdout.isTTY ? STATUS_LINE_SECONDS : statsSeconds)
  const { failure } = await writer.ended
  clearInterval(timer)
  output.end()
  // Everything is closed: whoever does not read our log must not keep us.
  setTimeout(() => process.exit(), FLUSH_MAX_MS).unref()
  if (failure !== null) throw failure
}

function optionalNumber(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : requireNumber(name, text, { min: 0, isWhole: true })
}

function showFigures(writer: WriterProcess, output: ServeOutput, seconds: number): NodeJS.Timeout {
  let before = writer.stats()
  let beforeMs = performance.now()
  return setInterval(() => {
    if (writer.isEnding) return
    const now = writer.stats()
    const nowMs = performance.now()
    output.figures(now, before, (nowMs - beforeMs) / 1000)
    before = now
    beforeMs = nowMs
  }, seconds * 1000)
}
