/** A database on a FUSE mount is refused unless `allowFuse` is given, which reaches everyone who opens the files for a Database. */
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { open } from '../../src/index.js'
import { killWritersOf } from '../support/detached-writers.js'
import { ServeProcess } from '../support/serve-process.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { until } from '../support/until.js'

const INDEX = new URL('../../src/index.js', import.meta.url).href
const CLI = fileURLToPath(new URL('../../tools/cli/main.js', import.meta.url))
const ON_FUSE = { NODE_OPTIONS: `--import ${new URL('../support/fuse-mount.js', import.meta.url).href}` }

/** @returns what the program has printed as JSON; `path` is the database */
function runOnFuse(t: ExecutionContext, path: string, program: string): unknown {
  const file = join(temporaryFolder(t), 'program.mjs')
  writeFileSync(file, `import { open } from ${JSON.stringify(INDEX)}\nconst path = ${JSON.stringify(path)}\n${program}`)
  const { stdout, stderr } = spawnSync(process.execPath, [file], {
    encoding: 'utf8',
    env: { ...process.env, ...ON_FUSE },
  })
  if (stderr !== '') throw new Error(stderr)
  return JSON.parse(stdout)
}

function temporaryPath(t: ExecutionContext): string {
  return join(temporaryFolder(t), 'app.db')
}

test('a database on a FUSE mount is refused, the message names the option, and no file is made', (t) => {
  const folder = temporaryFolder(t)
  const [code, message] = runOnFuse(
    t,
    join(folder, 'app.db'),
    `await open(path).catch(({ code, message }) => console.log(JSON.stringify([code, message])))`,
  ) as [string, string]
  t.is(code, 'ENDMARK_UNSUPPORTED')
  t.regex(message, /on a FUSE or virtiofs file system.*allowFuse/)
  t.deepEqual(readdirSync(folder), [])
})

test('with allowFuse it is opened, also by the writer process and the threads that the Database starts', (t) => {
  const path = temporaryPath(t)
  t.teardown(() => killWritersOf(path))
  const seen = runOnFuse(
    t,
    path,
    `const db = await open(path, { allowFuse: true, writer: 'process', timeout: 20_000 })
    const map = await db.map('m', { key: 'text', value: 'integer' })
    await map.put('a', 1)
    const pool = await db.pool({ threads: 1 })
    const values = await pool.getMany(map, ['a'])
    console.log(JSON.stringify({ values, hasWriter: db.stats().writer.pid !== null }))
    await db.close()`,
  )
  t.deepEqual(seen, { values: [1], hasWriter: true })
})

test('endmark serve, info and check take --allow-fuse, and the checkpointer gets it', async (t) => {
  const path = temporaryPath(t)
  const writer = new ServeProcess(t, path, ['--allow-fuse'], ON_FUSE)
  await until(() => writer.events.some(({ event }) => event === 'checkpointer started'), 'a checkpointer')
  const env = { ...process.env, ...ON_FUSE }
  for (const command of ['info', 'check']) {
    t.is(spawnSync(process.execPath, [CLI, command, '--allow-fuse', path], { env }).status, 0, command)
    const refused = spawnSync(process.execPath, [CLI, command, path], { env, encoding: 'utf8' })
    t.regex(refused.stderr, /on a FUSE .*\(ENDMARK_UNSUPPORTED\)/, command)
  }
})

test('allowFuse is true or false', async (t) => {
  await t.throwsAsync(open(temporaryPath(t), { allowFuse: 1 as never }), {
    code: 'ENDMARK_INVALID_ARGUMENT',
    message: 'allowFuse is true or false, not 1',
  })
})
