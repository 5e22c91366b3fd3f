/**
 * `endmark check FILE`: is the database sound? Prints each finding on a line, and how far it is on a terminal. Exits with 0 if
 * nothing was found, 1 with findings, 2 if the file cannot be opened. Writes nothing to the database.
 */
import { parseArgs } from 'node:util'
import { type CheckProgress, type Database, type Finding, open } from '../../../src/index.js'
import { CannotOpen, requireFile, requireNumber } from '../usage.js'

const OPTIONS = {
  limit: { type: 'string', default: '100' },
  'allow-fuse': { type: 'boolean', default: false },
} as const

const START_OF_EMPTY_LINE = '\r\x1b[2K'
const EXIT_FINDINGS = 1

export async function check(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const path = requireFile(positionals)
  const limit = requireNumber('limit', values.limit, { min: 1, isWhole: true })
  const db = await openForReading(path, values['allow-fuse'])
  try {
    const isTerminal = process.stderr.isTTY
    const { ok, findings } = await db.check(isTerminal ? { limit, progress: showProgress } : { limit })
    if (isTerminal) process.stderr.write(START_OF_EMPTY_LINE)
    const lines = ok ? ['ok'] : findings.map(describe)
    if (findings.length === limit) lines.push(`stopped after ${limit} findings`)
    process.stdout.write(`${lines.join('\n')}\n`)
    if (!ok) process.exitCode = EXIT_FINDINGS
  } finally {
    await db.close()
  }
}

async function openForReading(path: string, allowFuse: boolean): Promise<Database> {
  try {
    return await open(path, { create: false, readOnly: true, allowFuse })
  } catch (error) {
    throw new CannotOpen(error)
  }
}

function describe({ file, page, offset, what }: Finding): string {
  const place = [file, page === null ? '' : `page ${page}`, offset === null ? '' : `offset ${offset}`]
  return `${place.filter(Boolean).join(', ')}: ${what}`
}

function showProgress({ totalPages, remainingPages }: CheckProgress): void {
  const percent = Math.floor((100 * (totalPages - remainingPages)) / totalPages)
  process.stderr.write(`${START_OF_EMPTY_LINE}${percent} % of ${totalPages.toLocaleString('en')} pages`)
}
