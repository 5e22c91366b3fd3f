/** The commands of docs/guides/serving.md run as they stand, and the units that it shows run such commands. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { temporaryFolder } from '../support/temporary-folder.js'
import { linesWith, REPOSITORY, readDocument } from './documents.js'

const MAIN_FILE = fileURLToPath(new URL('../../tools/cli/main.js', import.meta.url))
const guide = readDocument('guides/serving.md')
const commands = linesWith(guide, /^npx endmark (.*)$/)

/** A command that serves is told to stop once it has begun. @returns its exit code */
async function run(t: ExecutionContext<unknown>, folder: string, command: string): Promise<number | null> {
  const child = spawn(process.execPath, [MAIN_FILE, ...command.split(' ')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.includes('"event":"checkpointer started"')) child.kill('SIGTERM')
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

test('the commands of the guide run as they stand', async (t) => {
  t.true(commands.length >= 3)
  const folder = temporaryFolder(t)
  for (const command of commands) t.is(await run(t, folder, command), 0, command)
})

test('the units of the guide run the command', async (t) => {
  const [execStart] = linesWith(guide, /^ExecStart=\S+ endmark (.*)$/)
  const [pm2Arguments] = linesWith(guide, /main\.js', args: '(.*)' }/)
  const folder = temporaryFolder(t)
  for (const command of [execStart!.replace('/srv/app/', ''), pm2Arguments!]) t.is(await run(t, folder, command), 0)
  const [script] = linesWith(guide, /script: 'node_modules\/endmark\/(.*?)'/)
  const { bin } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { bin: { endmark: string } }
  t.is(join(script!), join(bin.endmark))
})

test('the guide has every option of the command', (t) => {
  const source = join(REPOSITORY, 'tools/cli/commands/serve.ts')
  t.true(existsSync(source))
  const options = [
    ...readFileSync(source, 'utf8').matchAll(/^ {2}'([a-z-]+)': \{ type: 'string', default: '(\d+)' \}/gm),
  ]
  const rows = [...guide.matchAll(/^\| `--([a-z-]+) \w` \|.*\| (\d+) \|$/gm)]
  t.deepEqual(
    rows.map(([, name, value]) => [name, value]),
    options.map(([, name, value]) => [name, value]),
  )
})
