/** Tries out damaged copies of a database in a thread of its own, so that an endless loop is noticed and named. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { type Files, readFiles, tryOut, writeFiles } from '../support/damage.js'
import { Random } from '../support/random.js'

export interface DamageTask {
  readonly folder: string
  readonly files: Files
  readonly seed: number
  readonly rounds: number
  /** Which bytes are damaged: anywhere in the main file, or anywhere in the log. */
  readonly target: 'main' | 'log'
}

export interface DamageReport {
  readonly round: number
  readonly changes: readonly (readonly [number, number])[]
  readonly findings: readonly string[]
}

const { folder, files, seed, rounds, target } = workerData as DamageTask
const report = (message: DamageReport) => parentPort?.postMessage(message)

for (let round = 0; round < rounds; round++) {
  const random = new Random(seed + round)
  const damaged = { ...files, main: files.main.slice(), log: files.log?.slice() ?? null }
  const bytes = target === 'main' ? damaged.main : damaged.log!
  const changes = damage(bytes, random)
  report({ round, changes, findings: [] })
  const path = join(folder, `${target}-${round}.db`)
  writeFiles(path, damaged)
  // Every other round only reads.
  const isReading = round % 2 === 0
  const { findings, opened } = await tryOut(path, isReading ? { readOnly: true } : { write: true })
  if ((isReading || !opened) && !same(readFiles(path).main, damaged.main)) findings.push('the main file was changed')
  if (findings.length > 0) report({ round, changes, findings })
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}

/** One to three damages: a bit, a byte, a zeroed stretch, or bytes from elsewhere. */
function damage(bytes: Uint8Array, random: Random): [number, number][] {
  const changes: [number, number][] = []
  for (let count = random.between(1, 3); count > 0; count--) {
    // Half of them where they matter most: in the first bytes of a page.
    const page = random.below(bytes.length / 512) * 512
    const at = random.below(2) === 0 ? Math.min(bytes.length - 1, page + random.below(40)) : random.below(bytes.length)
    const kind = random.below(4)
    if (kind === 0) bytes[at]! ^= 1 << random.below(8)
    else if (kind === 1) bytes[at] = random.below(256)
    else if (kind === 2) bytes.fill(random.below(2) * 255, at, at + random.between(1, 8))
    else copyFrom(bytes, at, random)
    changes.push([at, kind])
  }
  return changes
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function copyFrom(bytes: Uint8Array, at: number, random: Random): void {
  const from = random.below(bytes.length - 64)
  bytes.copyWithin(at, from, from + random.between(1, 64))
}
