/**
 * The writer process as `endmark serve` runs it: how it begins and ends, who may be one, what it leaves behind, and that nothing
 * acknowledged is lost whatever happens to it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { open } from '../../src/index.js'
import { spawnWriter, startWriterProcess } from '../../workers/spawn.js'
import { temporaryPath } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'
import { isRunning, ServeProcess, startServe } from '../support/serve-process.js'
import { until } from '../support/until.js'

const MAP = { key: 'integer', value: 'text' } as const
const MAIN = fileURLToPath(new URL('../../tools/cli/main.js', import.meta.url))
const filesOf = (path: string) => readdirSync(dirname(path)).sort()

test('it says where it serves, and ends on SIGTERM without leaving a file of its own', async (t) => {
  const path = temporaryPath(t)
  const serve = await startServe(t, path)
  const { database, socket, pid } = await serve.event('start')
  t.is(pid, serve.pid)
  t.is(socket, `${database}-sock`)
  t.is(statSync(String(socket)).mode & 0o777, 0o600)
  serve.kill('SIGTERM')
  t.is(await serve.exited, 0)
  t.deepEqual(filesOf(path), [basename(path)])
  t.is(serve.events.at(-1)?.event, 'stop')
  t.false(isRunning(serve.checkpointer))
})

test('a second one is refused, is told who serves, and harms nobody', async (t) => {
  const path = temporaryPath(t)
  const first = await startServe(t, path)
  const second = new ServeProcess(t, path, [])
  t.is(await second.exited, 1)
  t.regex(second.errors, new RegExp(`held by process ${first.pid}, .*ENDMARK_BUSY`))
  t.is(await startWriterProcess(path), null, 'for a program that needs one, the one that runs will do')
  const db = await open(path)
  await (await db.map('m', MAP)).put(1, 'a')
  await db.close()
  t.true(isRunning(first.pid))
})

test('a killed one is succeeded at once, whatever it has left, and its checkpointer dies with it', async (t) => {
  const path = temporaryPath(t)
  const killed = await startServe(t, path)
  killed.kill('SIGKILL')
  await killed.exited
  t.true(existsSync(`${path}-sock`))
  t.true(existsSync(`${path}-writer.lock`))
  const startMs = performance.now()
  const next = await startServe(t, path)
  t.true(performance.now() - startMs < 8000, 'well before proper-lockfile takes the lock for stale')
  await until(() => !isRunning(killed.checkpointer), 'the end of the checkpointer')
  next.kill('SIGTERM')
  t.is(await next.exited, 0)
  t.deepEqual(filesOf(path), [basename(path)])
})

test('a lock folder and a role file that nobody holds keep nobody out', async (t) => {
  const path = temporaryPath(t)
  mkdirSync(`${path}-writer.lock`)
  writeFileSync(`${path}-writer`, '{"pid":1,"started":"2020-01-01T00:00:00.000Z","token":"x"}')
  const serve = await startServe(t, path)
  t.true(isRunning(serve.pid))
})

test('SIGTERM loses no request that is under way', async (t) => {
  const path = temporaryPath(t)
  const serve = await startServe(t, path)
  const [one, two] = [await open(path), await open(path)]
  const maps = [await one.map<number, string>('m', MAP), await two.map<number, string>('m', MAP)]
  let last = 0
  let isOver = false
  const acknowledged: number[] = []
  const lane = async (map: (typeof maps)[number]) => {
    while (!isOver) {
      const key = ++last
      await map.put(key, String(key))
      acknowledged.push(key)
    }
  }
  const lanes = Array.from({ length: 64 }, (_, index) => lane(maps[index % 2]!))
  await until(() => acknowledged.length > 2000, 'commits')
  serve.kill('SIGTERM')
  t.is(await serve.exited, 0)
  const beforeMore = acknowledged.length
  await until(() => acknowledged.length > beforeMore + 500, 'commits without a writer process')
  isOver = true
  await Promise.all(lanes)
  t.is(maps[0]!.count(), acknowledged.length)
  t.true(acknowledged.every((key) => maps[0]!.get(key) === String(key)))
  await Promise.all([one.close(), two.close()])
  t.is(await integrityCheck(t, path), 'ok')
})

test('a second signal ends it at once', async (t) => {
  const path = temporaryPath(t)
  const serve = await startServe(t, path)
  // Its own checkpointer, standing still, keeps it from ending in order for seconds.
  process.kill(serve.checkpointer, 'SIGSTOP')
  t.teardown(() => isRunning(serve.checkpointer) && process.kill(serve.checkpointer, 'SIGKILL'))
  serve.kill('SIGTERM')
  await serve.event('stopping')
  serve.kill('SIGTERM')
  await until(() => !isRunning(serve.pid), 'its end')
  // It has the other end of what we read.
  process.kill(serve.checkpointer, 'SIGKILL')
  t.is(await serve.exited, 1)
})

test('it ends by itself when no client has been there for long enough', async (t) => {
  const path = temporaryPath(t)
  const serve = new ServeProcess(t, path, ['--idle-exit', '0.5'])
  await serve.event('start')
  const db = await open(path)
  await (await db.map('m', MAP)).put(1, 'a')
  await db.close()
  t.is(await serve.exited, 0)
  const { reason } = await serve.event('stop')
  t.is(reason, 'no client needs it')
})

test('a detached one is ready when the promise says so, and a failure to start is told', async (t) => {
  const path = temporaryPath(t)
  const pid = await startWriterProcess(path, { idleExitMs: 300, logFile: `${path}.log` })
  t.true(isRunning(pid!))
  await until(() => !isRunning(pid!), 'its end')
  t.true(existsSync(`${path}.log`))
  const error = await t.throwsAsync(startWriterProcess(`${path}/missing/app.db`), { message: /did not start: / })
  t.truthy((error as unknown as { code: string }).code)
})

test('one that is started for a database which is gone by then makes no new one', async (t) => {
  const path = temporaryPath(t)
  spawnWriter(path, { idleExitMs: 300, logFile: `${path}.log` })
  await until(() => existsSync(`${path}.log`) && readFileSync(`${path}.log`, 'utf8').endsWith('\n'), 'what it says')
  t.like(JSON.parse(readFileSync(`${path}.log`, 'utf8').split('\n')[0]!), {
    event: 'failed',
    code: 'ENDMARK_NOT_FOUND',
  })
  t.false(existsSync(path))
})

test('it steps down when its role is taken away, and closes the database in order', async (t) => {
  const path = temporaryPath(t)
  const serve = await startServe(t, path)
  // What somebody does who takes the lock for stale.
  const taken = spawnSync('rm', ['-r', `${path}-writer.lock`])
  t.is(taken.status, 0)
  t.is(await serve.exited, 1)
  t.is((await serve.event('stop')).reason, 'the role was lost')
  t.regex(serve.errors, /-writer: the role was lost, .*\(ENDMARK_BUSY\)/)
  t.false(existsSync(`${path}-wal`))
})

test('figures come as JSON lines, and on a terminal as one line that is written anew', async (t) => {
  const path = temporaryPath(t)
  const serve = await startServe(t, path, '--stats-every', '0.2')
  const figures = await serve.event('stats')
  t.deepEqual(Object.keys(figures), [
    ...['time', 'event', 'clients', 'commitsPerSecond', 'batchSize', 'logFrames', 'backfilled', 'checkpointer'],
  ])
  serve.kill('SIGTERM')
  await serve.exited
  const command = `${process.execPath} ${MAIN} serve ${path} --idle-exit 3.5`
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8', timeout: 20_000 })
  t.regex(stdout, /start: pid \d+/)
  t.true(stdout.split('\r\x1b[2K0 clients | 0 commits/s').length > 2, stdout)
  t.true(stdout.includes('0 backfilled'), stdout)
})

/** Runs a shell command that serves; kills all of it with the test. @returns the id of the writer process */
async function serveInShell(t: ExecutionContext<unknown>, path: string, command: string, args: readonly string[]) {
  const shell = spawn(command, args, { stdio: 'ignore', detached: true })
  t.teardown(() => process.kill(-shell.pid!, 'SIGKILL'))
  await until(() => existsSync(`${path}-sock`), 'the socket')
  const { pid } = JSON.parse(readFileSync(`${path}-writer`, 'utf8')) as { pid: number }
  t.teardown(() => isRunning(pid) && process.kill(pid, 'SIGKILL'))
  return { pid, shell }
}

/** Fills the log: each connection leaves a line, and together they are more than a pipe or a terminal holds. */
async function fillLog(path: string): Promise<void> {
  let openCount = 0
  const closed = () => {
    openCount--
  }
  for (let round = 0; round < 12; round++) {
    for (; openCount < 100; openCount++) connectAsStranger(`${path}-sock`, closed)
    // A writer process that stands still leaves them open.
    await until(() => openCount === 0, 'the writer process to hang up on strangers')
  }
}

function connectAsStranger(socketPath: string, closed: () => void): void {
  const socket = createConnection(socketPath, () => socket.write('not the first bytes of an Endmark peer'))
  socket.on('error', () => {})
  socket.on('close', closed)
  socket.resume().unref()
}

test('a terminal that is stopped stops nobody, nor the end on SIGTERM', async (t) => {
  const path = temporaryPath(t)
  const command = `${process.execPath} ${MAIN} serve ${path}`
  // Passes on what comes from the terminal, until it stands still.
  const { pid, shell } = await serveInShell(t, path, 'script', ['-qec', command, '/dev/null'])
  shell.kill('SIGSTOP')
  await fillLog(path)
  const db = await open(path, { writer: 'process' })
  await (await db.map('m', MAP)).put(1, 'a')
  t.is(db.stats().writer.pid, pid)
  await db.close()
  process.kill(pid, 'SIGTERM')
  await until(() => !existsSync(`${path}-writer`), 'its end')
  t.deepEqual(filesOf(path), [basename(path)])
})

test('a log that nobody reads does not keep it from ending', async (t) => {
  const path = temporaryPath(t)
  const { pid } = await serveInShell(t, path, 'sh', ['-c', `${process.execPath} ${MAIN} serve ${path} | sleep 60`])
  await fillLog(path)
  process.kill(pid, 'SIGTERM')
  await until(() => !isRunning(pid), 'its end')
  t.deepEqual(filesOf(path), [basename(path)])
})
