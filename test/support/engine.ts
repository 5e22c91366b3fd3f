/**
 * The parts of a Database without the Database, in reach of a test: transactions can be recorded on the newest state now, and
 * their requests handed to the writing side later, when the state is another one.
 */
import type { ExecutionContext } from 'ava'
import { Pager, TurnPages, type WritePages } from '../../src/pager/index.js'
import {
  createOperation,
  type MapOptions,
  mapDefinition,
  type OperationResult,
  OrderedMap,
  type Schema,
  SchemaCache,
  type StoreHost,
  Table,
  type TableKey,
  type TableOptions,
  tableDefinition,
} from '../../src/store/index.js'
import {
  BatchSchemas,
  ClientCommits,
  type ClientRecord,
  type CommitRequest,
  CommitRequests,
  GroupCommit,
  InlineCommitter,
  type Outcome,
  type RecordedTransaction,
  recordTransaction,
  type StateId,
  type Step,
  type Transaction,
} from '../../src/txn/index.js'
import { nodeVfs, type Vfs } from '../../src/vfs/index.js'
import { type Attachment, attach, runSync } from '../../src/wal/index.js'

export const FIRST_CLIENT = 2 ** 32
const OFF = { synchronous: 'off' } as const

/** Ends with the test as a killed process would: locks go, nothing is cleaned up. */
export function openEngine(t: ExecutionContext<unknown>, path: string, vfs: Vfs = nodeVfs()): Engine {
  const options = { vfs, create: true, readOnly: false, pageSize: 1024, timeoutMs: 2000 }
  const engine = new Engine(runSync(attach(path, options)))
  t.teardown(() => engine.vanish())
  return engine
}

export class Engine {
  readonly commits: GroupCommit
  readonly clients: ClientCommits
  readonly requests: CommitRequests
  readonly #attachment: Attachment
  readonly #pager: Pager
  readonly #turn: TurnPages
  readonly #schemas = new SchemaCache()
  readonly #host: StoreHost
  readonly #inline: InlineCommitter
  #nextClient = FIRST_CLIENT

  constructor(attachment: Attachment) {
    const { wal, header } = attachment
    this.#attachment = attachment
    this.#pager = new Pager(wal, { usableSize: header.usableSize, cacheLimitBytes: 1 << 20 })
    this.#turn = new TurnPages(wal, this.#pager)
    this.commits = new GroupCommit(wal, this.#pager, {
      beforeBlocking: () => {},
      beforeBatch: () => this.#turn.release(),
      beforeAppend: (pages) => this.clients.beforeAppend(pages),
      published: () => {},
      afterCommit: () => {},
    })
    const schemas = new BatchSchemas(this.#schemas)
    this.clients = new ClientCommits(schemas)
    this.requests = new CommitRequests({ wal, commits: this.commits, schemas, clients: this.clients })
    this.#host = {
      pages: () => this.#turn.current(),
      pin: () => {
        throw new Error('not used by these tests')
      },
      schema: (pages) => this.#schemas.of(pages),
      newestSchema: () => this.schema(),
      submit: (operations) => this.#inline.submit(operations, OFF),
      write: (operations) => this.#inline.write(operations, OFF),
    }
    this.#inline = new InlineCommitter(this.#host, this.commits, schemas)
  }

  /** Creates it if options are given. */
  async map<K, V>(name: string, options?: MapOptions): Promise<OrderedMap<K, V>> {
    if (options !== undefined) await this.#host.submit([createOperation(mapDefinition(name, options))])
    return new OrderedMap<K, V>(this.#host, name)
  }

  async table<Row extends object, Key = TableKey>(name: string, options?: TableOptions): Promise<Table<Row, Key>> {
    if (options !== undefined) await this.#host.submit([createOperation(tableDefinition(name, options))])
    return new Table<Row, Key>(this.#host, name)
  }

  async drop(name: string): Promise<void> {
    await this.#host.submit([{ type: 'drop', store: name }])
  }

  /** The newest schema, for making operations by hand. */
  schema(): Schema {
    return this.#schemas.of(this.#turn.current())
  }

  /** Runs the function on the newest state, its changes seen by nobody. */
  record<T>(fn: (tx: Transaction) => T): RecordedTransaction<T> {
    const parts = {
      host: this.#host,
      pager: this.#pager,
      turn: this.#turn,
      schemas: this.#schemas,
      dirtyPagesMax: 1000,
    }
    const recorded = recordTransaction(parts, fn)
    if (recorded === null) throw new Error('too large to be recorded')
    return recorded
  }

  /** The same for good, under the lock. */
  commit<T>(fn: (tx: Transaction) => T): Promise<T> {
    return this.#inline.transaction(fn, OFF)
  }

  /** Sends steps to the writing side, as a new client that then leaves. */
  async submit({ steps, base }: { readonly steps: readonly Step[]; readonly base: StateId | null }): Promise<Outcome> {
    const request: CommitRequest = { number: 1, synchronous: 'off', steps, base, wantsResults: true }
    const client = this.requests.attach(this.#nextClient++)
    // It travels as bytes: nothing of it is shared.
    const copy = structuredClone(request)
    const outcome = await new Promise<Outcome>((resolve) => client.submit(copy, (_, answer) => resolve(answer)))
    client.leave()
    await this.commits.drain()
    return outcome
  }

  /** What the newest committed state says of a client. */
  recordOf(client: number): ClientRecord {
    return this.clients.readClient(this.#turn.current(), client)
  }

  /** Runs work of its own in a batch. */
  work<T>(work: (pages: WritePages) => T): Promise<T> {
    return this.commits.run(work, OFF)
  }

  async vanish(): Promise<void> {
    await this.commits.drain()
    this.#turn.close()
    this.#attachment.shm.close()
    this.#attachment.wal.log.file.close()
    this.#attachment.wal.main.close()
  }
}

/** A state that no database is in: what was recorded on it has to be validated. */
export const NO_STATE: StateId = [1, 2, 3, 4, 5]

export function resultsOf(outcome: Outcome): readonly OperationResult[] {
  if (outcome.kind !== 'committed' || outcome.results === null) throw new Error(JSON.stringify(outcome))
  return outcome.results
}
