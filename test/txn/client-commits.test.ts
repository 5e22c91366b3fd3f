/**
 * TXN-6: each request of a client is applied once, by whomever and however often it arrives, and what became of it can be read
 * from the client's row until the client has got the answer.
 */
import test, { type ExecutionContext } from 'ava'
import { requestHandlerOf } from '../../src/database.js'
import type { OrderedMap } from '../../src/store/index.js'
import type { ClientHandle, CommitRequest, Outcome, Step } from '../../src/txn/index.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Engine, FIRST_CLIENT, openEngine } from '../support/engine.js'
import { failOn, HookedVfs } from '../support/hooked-vfs.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { integrityCheck, startReferee } from '../support/referee.js'

const CLIENT = FIRST_CLIENT + 77
const COMMITTED = { kind: 'committed', results: null }

interface Counters {
  readonly path: string
  readonly hooked: HookedVfs
  readonly engine: Engine
  readonly counters: OrderedMap<string, number>
}

async function openCounters(t: ExecutionContext<unknown>, path = temporaryPath(t)): Promise<Counters> {
  const hooked = new HookedVfs(nodeVfs())
  const engine = openEngine(t, path, hooked)
  const counters = await engine.map<string, number>('counters', { key: 'text', value: 'integer' })
  return { path, hooked, engine, counters }
}

const request = (number: number, steps: readonly Step[], more: Partial<CommitRequest> = {}): CommitRequest => {
  return { number, synchronous: 'full', steps, base: null, wantsResults: false, ...more }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}

/** Delivers a request. @returns its answer */
function send(client: ClientHandle, wanted: CommitRequest): Promise<Outcome> {
  return new Promise((resolve, reject) =>
    client.submit(structuredClone(wanted), (number, outcome) =>
      number === wanted.number ? resolve(outcome) : reject(new Error(`an answer to ${number}`)),
    ),
  )
}

/** Adds one to a counter: applied twice, it shows. */
function increment({ engine, counters }: Counters, number: number, key = 'a'): CommitRequest {
  const recorded = engine.record((tx) => tx.put(counters, key, (tx.get(counters, key) ?? 0) + 1))
  return request(number, recorded.steps, { base: recorded.base })
}

/** Not one that is found out by a validation: the blind insert of a row with an assigned key. */
async function appending({ engine }: Counters) {
  const rows = await engine.table<{ id: number; n: number }, number>('rows', {
    columns: { id: 'integer', n: 'integer' },
    primaryKey: 'id',
  })
  const append = (number: number, more?: Partial<CommitRequest>) =>
    request(number, [rows.insertOperation(engine.schema(), { n: number } as never)], more)
  return { rows, append }
}

test('a request that arrives twice is applied once, with the same answer, also after others', async (t) => {
  const opened = await openCounters(t)
  const { engine, path } = opened
  const { rows, append } = await appending(opened)
  const first = engine.requests.attach(CLIENT)
  const wanted = append(1, { wantsResults: true })
  const answer = await send(first, wanted)
  t.deepEqual(answer, { kind: 'committed', results: [{ existed: false, rowid: 1 }] })
  const second = engine.requests.attach(CLIENT)
  t.deepEqual(await send(second, wanted), answer)
  t.deepEqual(await send(second, append(2)), COMMITTED)
  first.submit(append(3), () => t.fail('it was superseded'))
  const third = engine.requests.attach(CLIENT)
  t.deepEqual(await send(third, wanted), answer, 'still known, as it was not acknowledged')
  t.deepEqual(await send(third, append(2)), COMMITTED)
  t.deepEqual(engine.record((tx) => [...tx.range(rows)]).value, [
    { id: 1, n: 1 },
    { id: 2, n: 2 },
  ])
  t.is(await integrityCheck(t, path), 'ok')
})

test('twice in one batch is once too', async (t) => {
  const opened = await openCounters(t)
  const { engine } = opened
  const { rows, append } = await appending(opened)
  const first = engine.requests.attach(CLIENT)
  const wanted = append(1, { wantsResults: true })
  const late = new Promise<Outcome>((resolve) => first.submit(wanted, (_, outcome) => resolve(outcome)))
  t.throws(() => first.submit(wanted, () => {}), { code: 'ENDMARK_INVALID_ARGUMENT' }, 'numbers rise')
  t.is((await late).kind, 'committed')
  // Two handlers of one file know nothing of each other but the row.
  await engine.work((pages) => {
    const row = engine.clients.rowOf(pages, CLIENT)
    t.is(row.commitNumber, 1)
    t.is(engine.clients.rowOf(pages, CLIENT), row, 'read once for the batch')
  })
  t.is(rows.count(), 1)
})

test('a client that has applied a request itself finds it done by nobody else, and the reverse', async (t) => {
  const opened = await openCounters(t)
  const { engine, path, counters } = opened
  const writer = engine.requests.attach(CLIENT)
  const stale = increment(opened, 1)
  const client = openEngine(t, path)
  await client.work((pages) => {
    const row = client.clients.rowOf(pages, CLIENT)
    t.is(row.commitNumber, 0, 'not applied yet')
    client.clients.advance(row, 1, new Map())
  })
  t.deepEqual(await send(writer, stale), COMMITTED, 'the writer believes the row')
  t.is(counters.get('a'), undefined, 'and applies nothing')
  t.deepEqual(await send(writer, increment(opened, 2)), COMMITTED)
  t.is(counters.get('a'), 1)
  t.is(client.recordOf(CLIENT).commitNumber, 2)
  await client.work((pages) => t.is(client.clients.rowOf(pages, CLIENT).commitNumber, 2))
})

test('after a crash of everybody the row says what was committed', async (t) => {
  const opened = await openCounters(t)
  const { append } = await appending(opened)
  const client = opened.engine.requests.attach(CLIENT)
  await send(client, append(1, { wantsResults: true }))
  await send(client, append(2))
  await opened.engine.vanish()
  const again = await openCounters(t, opened.path)
  t.is(again.engine.recordOf(CLIENT).commitNumber, 2)
  const back = again.engine.requests.attach(CLIENT)
  const { rows, append: appendAgain } = await appending(again)
  t.deepEqual(await send(back, appendAgain(1)), { kind: 'committed', results: [{ existed: false, rowid: 1 }] })
  t.deepEqual(await send(back, appendAgain(2)), COMMITTED)
  t.deepEqual(await send(back, appendAgain(3)), COMMITTED)
  t.is(rows.count(), 3)
  t.is(await integrityCheck(t, opened.path), 'ok')
})

test('a batch that fails is not remembered, by the row or by what is kept of it', async (t) => {
  const opened = await openCounters(t)
  const { engine, hooked, path } = opened
  const { rows, append } = await appending(opened)
  const client = engine.requests.attach(CLIENT)
  await send(client, append(1, { wantsResults: true }))
  hooked.hook = failOn(({ operation, path: file }) => operation === 'write' && file.endsWith('-wal'))
  const outcomes = await Promise.all([send(client, append(2)), send(client, append(3, { wantsResults: true }))])
  for (const outcome of outcomes) t.like(outcome, { kind: 'failed', code: 'ENDMARK_IO' })
  hooked.hook = () => {}
  t.is(engine.recordOf(CLIENT).commitNumber, 1)
  t.is(rows.count(), 1)
  t.deepEqual(await send(client, append(4)), COMMITTED)
  const { commitNumber, outcomes: known } = engine.recordOf(CLIENT)
  t.is(commitNumber, 4)
  t.deepEqual(
    [1, 2, 3].map((number) => known.get(number)?.kind),
    ['committed', 'failed', 'failed'],
  )
  t.is(rows.count(), 2)
  t.is(await integrityCheck(t, path), 'ok')
})

test('a request that was known before its batch fails keeps its outcome', async (t) => {
  const opened = await openCounters(t)
  const { engine, hooked } = opened
  const { append } = await appending(opened)
  const wanted = append(1, { wantsResults: true })
  const answer = await send(engine.requests.attach(CLIENT), wanted)
  const back = engine.requests.attach(CLIENT)
  hooked.hook = failOn(({ operation, path }) => operation === 'write' && path.endsWith('-wal'))
  const [known, failed] = await Promise.all([send(back, wanted), send(back, append(2))])
  t.deepEqual(known, answer)
  t.like(failed, { kind: 'failed', code: 'ENDMARK_IO' })
})

test('a request that only a batch under way knows of is not committed before that batch is', async (t) => {
  const opened = await openCounters(t)
  const { engine, hooked, counters } = opened
  const lost = engine.requests.attach(CLIENT)
  await send(lost, request(1, [counters.putOperation(engine.schema(), 'a', 1)]))
  // A function on the state before, sent again behind the batch that has changed it: it must not pass for unchanged.
  const stale = increment(opened, 4)
  const puts = [2, 3].map((number) => request(number, [counters.putOperation(engine.schema(), 'a', number)]))
  let again: Promise<Outcome>[] | null = null
  hooked.hook = (event) => {
    if (event.operation !== 'datasync' || !event.path.endsWith('-wal') || again !== null) return
    const back = engine.requests.attach(CLIENT)
    again = [...puts, stale].map((wanted) => send(back, wanted))
    throw new Error('EIO')
  }
  for (const put of puts) lost.submit(put, () => t.fail('the connection was lost'))
  await until(() => again !== null)
  for (const answer of again!) t.like(await answer, { kind: 'failed', code: 'ENDMARK_IO' })
  hooked.hook = () => {}
  t.is(counters.get('a'), 1)
})

test('a function that ran on the state before a batch under way is validated behind it', async (t) => {
  const opened = await openCounters(t)
  const { engine, hooked, counters } = opened
  const client = engine.requests.attach(CLIENT)
  await send(client, request(1, [counters.putOperation(engine.schema(), 'a', 1)]))
  const stale = increment(opened, 4)
  const other = increment(opened, 5, 'b')
  let behind: Promise<Outcome>[] | null = null
  hooked.hook = (event) => {
    if (event.operation !== 'datasync' || !event.path.endsWith('-wal') || behind !== null) return
    behind = [send(client, stale), send(client, other)]
  }
  const puts = [2, 3].map((number) =>
    send(client, request(number, [counters.putOperation(engine.schema(), 'a', number)])),
  )
  t.deepEqual(await Promise.all(puts), [COMMITTED, COMMITTED])
  t.deepEqual(await Promise.all(behind!), [{ kind: 'conflict' }, COMMITTED])
  t.deepEqual([counters.get('a'), counters.get('b')], [3, 1])
})

test('outcomes stand in the row until they are acknowledged, and only those that say more than committed', async (t) => {
  const opened = await openCounters(t)
  const { engine } = opened
  const { rows, append } = await appending(opened)
  const client = engine.requests.attach(CLIENT)
  const outdated = increment(opened, 2)
  const refused = request(3, [rows.insertOperation(engine.schema(), { id: 1, n: 0 })])
  await engine.commit((tx) => tx.put(opened.counters, 'a', 100))
  const answers = [append(1, { wantsResults: true }), outdated, refused, append(4), append(5)].map((each) =>
    send(client, each),
  )
  client.cancel(5)
  const outcomes = await Promise.all(answers)
  t.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['committed', 'conflict', 'failed', 'committed', 'cancelled'],
  )
  t.is(rows.count(), 2)
  let { commitNumber, outcomes: known } = engine.recordOf(CLIENT)
  t.is(commitNumber, 4, 'what is cancelled is not applied')
  t.deepEqual([...known.entries()], [1, 2, 3].map((number) => [number, outcomes[number - 1]]) as never)
  client.acknowledge(2)
  await send(client, append(6))
  ;({ commitNumber, outcomes: known } = engine.recordOf(CLIENT))
  t.is(commitNumber, 6)
  t.deepEqual([...known.keys()], [3, 5])
  t.deepEqual(known.get(5), { kind: 'cancelled' })
  client.acknowledge(6)
  await send(client, append(7))
  t.deepEqual([...engine.recordOf(CLIENT).outcomes.keys()], [])
})

test('a batch in which nothing of a client was committed leaves its row alone', async (t) => {
  const opened = await openCounters(t)
  const { engine, path } = opened
  const client = engine.requests.attach(CLIENT)
  const outdated = increment(opened, 1)
  await engine.commit((tx) => tx.put(opened.counters, 'a', 100))
  t.deepEqual(await send(client, outdated), { kind: 'conflict' })
  t.is(engine.schema().object('endmark_clients'), undefined, 'there is not even a table')
  await send(client, increment(opened, 2))
  t.deepEqual([...engine.recordOf(CLIENT).outcomes], [[1, { kind: 'conflict' }]])
  const referee = await startReferee(t, path)
  const rows = await referee.all('SELECT client, commit_number FROM endmark_clients')
  t.deepEqual(rows, [{ client: CLIENT, commit_number: 2 }])
  t.is(await referee.integrityCheck(), 'ok')
})

test('a cancel counts only for a request that is under way, and comes too late once it was applied', async (t) => {
  const opened = await openCounters(t)
  const { engine, counters } = opened
  const client = engine.requests.attach(CLIENT)
  t.deepEqual(await send(client, increment(opened, 1)), COMMITTED)
  for (const number of [1, 2, 9, Number.NaN]) client.cancel(number)
  t.deepEqual(await send(client, increment(opened, 2)), COMMITTED)
  t.is(counters.get('a'), 2)
})

test('after a drop nothing begins and nothing is answered', async (t) => {
  const opened = await openCounters(t)
  const { engine, counters } = opened
  const client = engine.requests.attach(CLIENT)
  client.submit(increment(opened, 1), () => t.fail('it was dropped'))
  client.drop()
  client.submit(increment(opened, 2), () => t.fail('it was dropped'))
  client.leave()
  await engine.commits.drain()
  t.is(counters.get('a'), undefined)
  t.is(engine.recordOf(CLIENT).commitNumber, 0)
})

test('rows go when their client leaves, or is swept because it is dead', async (t) => {
  const opened = await openCounters(t)
  const { engine, path } = opened
  const clients = [0, 1, 2, 3].map((index) => engine.requests.attach(CLIENT + index))
  for (const client of clients) await send(client, increment(opened, 1))
  const referee = await startReferee(t, path)
  const left = async () => {
    await engine.commits.drain()
    return (await referee.all('SELECT client FROM endmark_clients')).map(({ client }) => Number(client) - CLIENT)
  }
  t.deepEqual(await left(), [0, 1, 2, 3])
  clients[0]!.leave()
  t.deepEqual(await left(), [1, 2, 3])
  clients[1]!.drop()
  clients[2]!.drop()
  // What somebody else has put there is nobody's row.
  await referee.exec('INSERT INTO endmark_clients VALUES(7, 1, NULL)')
  const asked: number[] = []
  engine.requests.sweep((client) => {
    asked.push(client - CLIENT)
    return client === CLIENT + 1
  })
  t.deepEqual(await left(), [7 - CLIENT, 1, 3])
  t.deepEqual(asked, [1, 2], 'not of the one that is attached')
  const again = engine.requests.attach(CLIENT)
  t.deepEqual(await send(again, increment(opened, 2)), COMMITTED, 'it has come back')
  t.is(opened.counters.get('a'), 5)
  t.is(await referee.integrityCheck(), 'ok')
})

test('damaged and foreign rows are typed errors of their requests, and nothing is committed', async (t) => {
  const opened = await openCounters(t)
  const { engine, path, counters } = opened
  await send(engine.requests.attach(CLIENT), increment(opened, 1))
  const referee = await startReferee(t, path)
  for (const [column, value] of [
    ['commit_number', "'many'"],
    ['outcomes', "x'05'"],
    ['outcomes', "x'020101'"],
  ]) {
    await referee.exec(`UPDATE endmark_clients SET commit_number = 1, outcomes = NULL`)
    await referee.exec(`UPDATE endmark_clients SET ${column} = ${value}`)
    const client = engine.requests.attach(CLIENT)
    t.like(await send(client, increment(opened, 2)), { kind: 'failed', code: 'ENDMARK_CORRUPT' }, value)
  }
  await referee.exec(
    'UPDATE endmark_clients SET outcomes = NULL; CREATE INDEX by_number ON endmark_clients(commit_number)',
  )
  const client = engine.requests.attach(CLIENT)
  t.like(await send(client, increment(opened, 2)), { kind: 'failed', code: 'ENDMARK_UNSUPPORTED' })
  await referee.exec('DROP INDEX by_number')
  t.deepEqual(await send(client, increment(opened, 3)), COMMITTED)
  t.is(counters.get('a'), 2)
  t.is(await referee.integrityCheck(), 'ok')
})

test('ids that no client draws are refused', async (t) => {
  const { engine } = await openCounters(t)
  for (const id of [0, 120, 2 ** 32 - 1, 2 ** 48, 2 ** 32 + 0.5, Number.NaN, '4294967296' as unknown as number]) {
    t.throws(() => engine.requests.attach(id), { code: 'ENDMARK_INVALID_ARGUMENT' })
  }
})

test('the table is hidden from users, and its name is reserved', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { writer: 'inline' })
  const map = await db.map<string, string>('map', { key: 'text', value: 'text' })
  const handler = requestHandlerOf(db)
  t.is(requestHandlerOf(db), handler, 'one for each Database')
  const drop: Step[] = [{ type: 'drop', store: 'map' }]
  t.deepEqual(await send(handler.attach(CLIENT), request(1, drop)), COMMITTED)
  t.is(map.name, 'map')
  const sql = 'CREATE TABLE endmark_clients(client INTEGER PRIMARY KEY, commit_number INTEGER NOT NULL, outcomes BLOB)'
  const referee = await startReferee(t, path)
  t.is(await referee.value("SELECT sql FROM sqlite_schema WHERE name = 'endmark_clients'"), sql)
  t.deepEqual(db.stores(), [])
  for (const name of ['endmark_clients', 'Endmark_CLIENTS']) {
    await rejects(t, db.map(name), 'ENDMARK_INVALID_ARGUMENT', /reserved/)
    await rejects(t, db.map(name, { key: 'text', value: 'text' }), 'ENDMARK_INVALID_ARGUMENT', /reserved/)
    await rejects(t, db.table(name), 'ENDMARK_INVALID_ARGUMENT', /reserved/)
    await rejects(t, db.dropStore(name), 'ENDMARK_INVALID_ARGUMENT', /reserved/)
  }
  const client = handler.attach(CLIENT + 1)
  const steps: Step[][] = [
    [{ type: 'drop', store: 'endmark_clients' }],
    [{ type: 'create', store: 'endmark_clients', sql }],
    [{ type: 'delete', store: 'endmark_clients', layout: 0, rowid: CLIENT, key: null }],
  ]
  for (const [i, each] of steps.entries()) {
    t.like(await send(client, request(i + 1, each)), { kind: 'failed', code: 'ENDMARK_INVALID_ARGUMENT' })
  }
  t.is(await referee.integrityCheck(), 'ok')
})

test('a Database that only reads commits for nobody, nor does a closed one', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { writer: 'inline' })
  const reading = await openDatabase(t, path, { readOnly: true })
  t.throws(() => requestHandlerOf(reading), { code: 'ENDMARK_READONLY' })
  await db.close()
  t.throws(() => requestHandlerOf(db), { code: 'ENDMARK_CLOSED' })
})
