/**
 * What the worker processes of both engines have in common: each does what the coordinator says and answers, until it
 * is told to end, or is killed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { KeyRead } from './history.js'
import type { Answer, CheckpointCommand, Command, SnapshotCommand, WorkerSettings, WriteCommand } from './messages.js'
import { Deliberate, KEY_COUNT, parseCell, type Reads, readCell, readOf, type WriteResult } from './workload.js'

/** How long an engine waits for a lock before it calls that an error: long enough for a machine that is busy. */
export const TIMEOUT_MS = 30_000

/** One state of the database, until it is let go. */
export interface Pinned extends Reads {
  /** All keys with their texts, in order. */
  readonly all: () => Iterable<readonly [number, string]>
  readonly close: () => void
}

export interface Engine {
  write(command: WriteCommand): Promise<WriteResult> | WriteResult
  pin(): Pinned
  checkpoint(mode: CheckpointCommand['mode']): unknown
  close(): unknown
}

export function readSettings(): WorkerSettings {
  return JSON.parse(process.argv[2] ?? '') as WorkerSettings
}

export function work(engine: Engine): void {
  process.on('disconnect', () => process.exit())
  process.on('message', async (command: Command) => {
    try {
      await obey(engine, command)
    } catch (error) {
      if (error instanceof Deliberate) return tell({ type: 'aborted', id: command.id })
      const { code = '', message } = error as Error & { code?: string }
      tell({ type: 'failed', id: command.id, message: `${command.type}: ${code} ${message}` })
    }
  })
  tell({ type: 'ready' })
}

async function obey(engine: Engine, command: Command): Promise<void> {
  const { id } = command
  switch (command.type) {
    case 'write':
      return tell({ type: 'written', id, result: await engine.write(command) })
    case 'snapshot':
      return tell({ type: 'seen', id, reads: await lookTwice(engine, command) })
    case 'checkpoint':
      await engine.checkpoint(command.mode)
      return tell({ type: 'done', id })
    case 'end':
      await engine.close()
      tell({ type: 'done', id })
      return process.disconnect()
  }
}

/** @throws Error if the second look shows anything else than the first */
async function lookTwice(engine: Engine, { id, keys, holdMs }: SnapshotCommand): Promise<KeyRead[]> {
  const pinned = engine.pin()
  try {
    // SQLite takes its state with the first read.
    const first = look(pinned, keys)
    tell({ type: 'pinned', id })
    await delay(holdMs)
    const second = look(pinned, keys)
    const changed = first.find(({ version }, index) => second[index]?.version !== version)
    if (changed !== undefined) throw new Error(`wrong data: key ${changed.key} has changed inside a snapshot`)
    return first
  } finally {
    pinned.close()
  }
}

function look(pinned: Pinned, keys: readonly number[] | null): KeyRead[] {
  if (keys !== null) return keys.map((key) => readOf(key, readCell(pinned, key)))
  const reads: KeyRead[] = []
  let sum = 0
  for (const [key, text] of pinned.all()) {
    const cell = parseCell(key, text)
    sum += cell.amount
    reads.push(readOf(key, cell))
  }
  if (reads.length !== KEY_COUNT) throw new Error(`wrong data: a range over ${KEY_COUNT} keys shows ${reads.length}`)
  if (sum !== 0) throw new Error(`wrong data: the sum of all amounts is ${sum}`)
  return reads
}

function tell(answer: Answer): void {
  // The coordinator may be gone: nobody wants to know then.
  if (process.connected) process.send?.(answer)
}
