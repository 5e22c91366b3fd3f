/**
 * Entry point of a reader thread, called by piscina with one task at a time. The thread has a connection of its own, which it
 * opens with its first task and never closes: it is ended from outside, at any moment, and the kernel takes back its locks.
 *
 * Nothing here throws: what goes wrong is part of the answer, as messages would lose the code of an error.
 */
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { workerData } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { isTransfer, type ReadTask, type Store, type TaskState, takeOver } from '../src/database.js'
import { invalidArgument } from '../src/errors.js'
import { type Database, open, type Snapshot } from '../src/index.js'
import { gatherBlobs } from './gather-blobs.js'
import type { ReaderAnswer, ReaderSettings } from './reader-settings.js'
import { toThrownThing } from './thrown-thing.js'

const { path, timeoutMs, cacheLimitBytes, allowFuse } = workerData as ReaderSettings

let opening: Promise<Database> | null = null

// An answer that cannot be cloned is found out only when piscina sends it, which ends the thread; and of a DOMException as the
// reason nothing would arrive on Node 20.
process.on('uncaughtException', (error: unknown) => {
  throw error instanceof DOMException ? Object.assign(new Error(error.message), { name: error.name }) : error
})

/** A result, and the buffers that go along with it. */
interface Made {
  readonly value: unknown
  readonly buffers: readonly ArrayBuffer[]
}

export default async function read(task: ReadTask): Promise<unknown> {
  try {
    const { value, buffers } = await perform(task)
    const answer: ReaderAnswer = { value }
    // Cast, as piscina's types demand more of `move` than it uses: the two symbols are how it asks for a value and what to transfer.
    return buffers.length === 0 ? answer : move({ [transferableSymbol]: buffers, [valueSymbol]: answer } as never)
  } catch (error) {
    const answer: ReaderAnswer = { thrown: toThrownThing(error) }
    return answer
  }
}

function perform(task: ReadTask): Promise<Made> {
  switch (task.kind) {
    case 'open':
      return database().then(() => ({ value: null, buffers: [] }))
    case 'getMany':
      return withSnapshot(task.state, (snapshot) => getMany(snapshot, task))
    case 'run':
      return run(task)
    case 'scan':
      return scan(task)
    case 'merge':
      return merge(task)
  }
}

function database(): Promise<Database> {
  opening ??= open(path, { readOnly: true, timeout: timeoutMs, cacheLimit: cacheLimitBytes, allowFuse }).catch(
    (error) => {
      opening = null
      throw error
    },
  )
  return opening
}

async function withSnapshot(state: TaskState, work: (snapshot: Snapshot) => Made | Promise<Made>): Promise<Made> {
  const db = await database()
  const snapshot = state === null ? db.snapshot() : takeOver(db, state)
  try {
    return await work(snapshot)
  } finally {
    snapshot.close()
  }
}

function getMany(snapshot: Snapshot, { store, keys }: ReadTask & { kind: 'getMany' }): Made {
  const values: unknown[] = snapshot.getMany(handleOf(snapshot, store), keys)
  return { value: values, buffers: gatherBlobs(values) }
}

async function run({ state, module, args }: ReadTask & { kind: 'run' }): Promise<Made> {
  const fn = functionOf(await load(module), 'default', module)
  return withSnapshot(state, async (snapshot) => made(await fn(snapshot, args)))
}

async function scan({ state, module, args, store: address, range, part }: ReadTask & { kind: 'scan' }): Promise<Made> {
  const loaded = await load(module)
  const fn = functionOf(loaded, 'default', module)
  return withSnapshot(state, async (snapshot) => {
    const store = handleOf(snapshot, address)
    const entries = snapshot.range(store, range)
    const { value, buffers } = made(await fn(entries, args, { snapshot, store, range, index: part }))
    return { value: { result: value, merges: typeof loaded.merge === 'function' }, buffers }
  })
}

async function merge({ module, args, results }: ReadTask & { kind: 'merge' }): Promise<Made> {
  const fn = functionOf(await load(module), 'merge', module)
  return made(await fn(results, args))
}

function handleOf(
  snapshot: Snapshot,
  { kind, name }: { kind: 'map' | 'table'; name: string },
): Store<unknown, unknown, unknown> {
  return kind === 'map' ? snapshot.map<unknown, unknown>(name) : snapshot.table<Record<string, unknown>, unknown>(name)
}

type Loaded = Readonly<Record<string, unknown>>
type ModuleFunction = (...args: unknown[]) => unknown

async function load(module: string): Promise<Loaded> {
  if (isAbsolute(module)) return (await import(pathToFileURL(module).href)) as Loaded
  if (!URL.canParse(module)) throw invalidArgument(`module is a URL or an absolute path, not ${JSON.stringify(module)}`)
  return (await import(module)) as Loaded
}

function functionOf(loaded: Loaded, name: string, module: string): ModuleFunction {
  const fn = loaded[name]
  if (typeof fn === 'function') return fn as ModuleFunction
  throw invalidArgument(`the module ${module.slice(0, 200)} has no function as its ${name} export`)
}

function made(result: unknown): Made {
  return isTransfer(result) ? result : { value: result, buffers: [] }
}
