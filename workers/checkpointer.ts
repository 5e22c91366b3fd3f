/**
 * Entry point of the checkpointer process: forked by the writer process, it copies the log into the main file so that no
 * process that answers to anybody ever does. It has a role and a connection of its own, and dies with its parent.
 *
 * Its parent holds back its batches for the short last pass of a checkpoint, if it answers soon. That is a courtesy: what
 * keeps writers out is the WRITE lock, and nothing here depends on the role either.
 */
import { RoleLock } from '../ipc/role-lock.js'
import { type BackgroundCheckpoint, checkpointerOf } from '../src/database.js'
import { open } from '../src/index.js'
import type { CheckpointerSettings, FromCheckpointer, ToCheckpointer } from './checkpointer-messages.js'

/** A parent that is busy or standing still is not waited for: WRITE is polled for then. */
const PAUSE_ANSWER_MS = 50
/** Closing may copy what is left of the log; a parent that has gone is not to leave us behind for ever. */
const CLOSE_MAX_MS = 10_000

class Pauses {
  #last = 0
  #granted: (() => void) | null = null

  /** Runs `work` while the batches of the parent wait. */
  async around(work: () => Promise<unknown>): Promise<void> {
    const pause = ++this.#last
    send({ type: 'pause', pause })
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PAUSE_ANSWER_MS)
      this.#granted = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#granted = null
    try {
      await work()
    } finally {
      send({ type: 'resume', pause })
    }
  }

  granted(pause: number): void {
    if (pause === this.#last) this.#granted?.()
  }
}

function send(message: FromCheckpointer): void {
  // Gone while we were working: its `disconnect` event is on the way.
  if (process.connected) process.send!(message, () => {})
}

function report(error: unknown): void {
  const { code = null, message } = error as { code?: string | null; message: string }
  send({ type: 'failed', code, message })
}

async function run({ path, frames, pace, allowFuse }: CheckpointerSettings): Promise<void> {
  let checkpoints: BackgroundCheckpoint | null = null
  let isStopping = false
  const stop = () => {
    if (isStopping) return
    isStopping = true
    checkpoints?.stop()
    setTimeout(() => process.exit(1), CLOSE_MAX_MS).unref()
  }
  process.once('disconnect', stop)
  process.once('SIGTERM', stop)
  // From a terminal it goes to the whole group: the writer process decides when to end.
  process.on('SIGINT', () => {})

  const db = await open(path, { create: false, autoCheckpoint: 0, writer: 'inline', allowFuse })
  try {
    const role = await RoleLock.acquire(db.path, 'checkpointer', { onLost: stop })
    try {
      const pauses = new Pauses()
      checkpoints = checkpointerOf(db, {
        frames,
        ...(pace === undefined ? {} : { pace }),
        keepWritersOut: (work) => pauses.around(work),
        slowWritersDown: (isSlow) => send({ type: 'slow', isSlow }),
        made: () => send({ type: 'made' }),
        failed: report,
      })
      process.on('message', (message: ToCheckpointer) => {
        if (message.type === 'checkpoint') checkpoints?.request()
        else pauses.granted(message.pause)
      })
      send({ type: 'ready' })
      if (!isStopping && process.connected) await checkpoints.run()
    } finally {
      await role.release()
    }
  } finally {
    await db.close()
  }
}

try {
  await run(JSON.parse(process.argv[2] ?? '{}') as CheckpointerSettings)
} catch (error) {
  report(error)
  process.exitCode = 1
}
if (process.connected) process.disconnect()
