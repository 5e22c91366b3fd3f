/** The `endmark` command as a user runs it. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { open } from '../../src/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const main = fileURLToPath(new URL('../../tools/cli/main.js', import.meta.url))
const endmark = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })

test('endmark info lists the stores and the state of the log', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const db = await open(path)
  const map = await db.map<string, string>('words', { key: 'text', value: 'text' })
  await map.put('a', 'b')
  const { stdout, status } = endmark('info', path)
  t.is(status, 0)
  t.regex(stdout, /2 pages of 4096 bytes/)
  t.regex(stdout, /log: 3 frames, 0 of them/)
  t.regex(stdout, /^map words \(key TEXT, value TEXT\), key key$/m)
  await db.close()
})

test('endmark check tells a sound file from a damaged one, and from one that cannot be opened', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const db = await open(path)
  const map = await db.map<string, string>('words', { key: 'text', value: 'text' })
  await map.put('a', 'b')
  await db.close()
  const sound = endmark('check', path)
  t.deepEqual([sound.status, sound.stdout, sound.stderr], [0, 'ok\n', ''])
  const bytes = readFileSync(path)
  bytes[4096] = 0
  writeFileSync(path, bytes)
  const damaged = endmark('check', path)
  t.is(damaged.status, 1)
  t.is(damaged.stdout, `${path}, page 2, offset 4096: 0 is not a kind of b-tree page\n`)
  bytes[0] = 0
  writeFileSync(path, bytes)
  const foreign = endmark('check', path)
  t.is(foreign.status, 2)
  t.regex(foreign.stderr, /ENDMARK_NOT_A_DATABASE/)
  t.is(endmark('check', path, '--limit', '0').status, 2)
})

test('endmark says how it is used, and why a file cannot be read', (t) => {
  t.is(endmark().status, 2)
  t.is(endmark('constructor', 'x').status, 2)
  t.regex(endmark('frobnicate', 'x').stderr, /usage: endmark info FILE/)
  const missing = endmark('info', join(temporaryFolder(t), 'missing.db'))
  t.is(missing.status, 1)
  t.regex(missing.stderr, /ENDMARK_NOT_FOUND/)
})
