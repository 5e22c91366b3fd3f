/**
 * A process that tries out one case after the other. It may crash, hang, or use too much memory: whoever started it notices. What
 * is wrong without any of these, it tells.
 */
import { closeSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Files, readFiles, tryOut, writeFiles } from '../../test/support/damage.js'
import { type Case, inputOf } from './corpus.js'
import { MessageTrial } from './message-trial.js'

export interface CaseReport {
  readonly findings: readonly string[]
  /** The most memory that this process has ever had. */
  readonly maxBytes: number
}

const DMS = 128
/** Far more than what is written to it. */
const MAIN_BYTES_MAX = 16 << 20
const { tryLock } = createRequire(import.meta.url)('fs-native-extensions') as {
  tryLock(fd: number, offset: number, length: number, options: { readonly shared: boolean }): boolean
}

const [corpus = ''] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'endmark-fuzz-'))
let trial: MessageTrial | null = null
let count = 0

process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
process.on('disconnect', () => process.exit())
process.on('message', async (given: Case) => {
  const findings = await run(given)
  process.send?.({ findings, maxBytes: process.resourceUsage().maxRSS * 1024 } satisfies CaseReport)
})

async function run(given: Case): Promise<string[]> {
  const input = inputOf(corpus, given)
  if ('files' in input) {
    // As the entry is, both ways; damaged, one case reads and the next one writes.
    const ways = given.seed === null ? [true, false] : [given.seed % 2 === 0]
    const findings: string[] = []
    for (const isReading of ways) findings.push(...(await tryFiles(input.files, isReading)))
    return findings
  }
  trial ??= await MessageTrial.start(folder, join(corpus, `${given.entry}.db`))
  return trial.run(input.messages)
}

async function tryFiles(files: Files, isReading: boolean): Promise<string[]> {
  const path = join(folder, `${count++}.db`)
  writeFiles(path, files)
  // Somebody who has the wal-index open: otherwise the first to open it would make it anew.
  const holder = files.shm === null ? null : openSync(`${path}-shm`, 'r+')
  if (holder !== null) tryLock(holder, DMS, 1, { shared: true })
  try {
    const { findings, opened } = await tryOut(path, isReading ? { readOnly: true } : { write: true })
    if (statSync(path).size > MAIN_BYTES_MAX)
      return [...findings, `the main file has grown to ${statSync(path).size} bytes`]
    const isUntouched = Buffer.compare(readFiles(path).main, files.main) === 0
    // With a log behind it, the last one to close copies that.
    const mayChange = opened && (!isReading || files.log !== null)
    return isUntouched || mayChange ? findings : [...findings, 'the main file was changed']
  } finally {
    if (holder !== null) closeSync(holder)
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  }
}
