/**
 * The ways in which a Database can commit, for suites that run in each of them: by itself, through a writer (the real
 * one's request handler) in this process, and through a writer process.
 */
import test, { type ExecutionContext } from 'ava'
import type { Database, OpenOptions } from '../../src/index.js'
import { type FakeWriter, openThrough, startFakeWriter } from './fake-writer.js'
import { openDatabase, temporaryPath } from './open-database.js'
import { startWriter } from './writer-process.js'

export interface CommitMode {
  readonly name: 'inline' | 'handler' | 'process'
  /** Opens a Database that closes with the test; those with one path share a writer. */
  open(t: ExecutionContext<unknown>, path?: string, options?: OpenOptions): Promise<Database>
}

export const INLINE_MODE: CommitMode = {
  name: 'inline',
  open: (t, path, options) => openDatabase(t, path, { ...options, writer: 'inline' }),
}

const writers = new Map<string, Promise<FakeWriter>>()

export const HANDLER_MODE: CommitMode = {
  name: 'handler',
  open: async (t, path = temporaryPath(t), options = {}) => {
    let writer = writers.get(path)
    if (writer === undefined) {
      writer = startFakeWriter(t, path)
      writers.set(path, writer)
      t.teardown(() => writers.delete(path))
    }
    const db = await openThrough(t, await writer, options)
    await useWriter(db)
    return db
  },
}

const processes = new Map<string, Promise<unknown>>()

export const PROCESS_MODE: CommitMode = {
  name: 'process',
  open: async (t, path = temporaryPath(t), options = {}) => {
    if (!processes.has(path)) {
      processes.set(path, startWriter(t, path))
      t.teardown(() => processes.delete(path))
    }
    await processes.get(path)
    const db = await openDatabase(t, path, { ...options, writer: 'auto' })
    await useWriter(db)
    return db
  },
}

/** Commits until a connected writer is used. */
export async function useWriter(db: Database): Promise<void> {
  while (db.stats().writer.mode !== 'remote') {
    await db.transaction(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Declares tests that name their mode. */
export function testsIn(
  mode: CommitMode,
): (title: string, body: (t: ExecutionContext<unknown>) => Promise<void>) => void {
  return (title, body) => test(`${mode.name}: ${title}`, body)
}
