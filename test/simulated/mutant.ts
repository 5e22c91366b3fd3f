/** A copy of the compiled engine, and of the schedules, sweeps and tests that run it, with one mutation. */
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Edit } from './mutations.js'

const COMPILED = fileURLToPath(new URL('../../', import.meta.url))

/**
 * @param main the file to run, of this folder
 * @returns its copy
 * @throws if an edit does not apply exactly once
 */
export function makeMutant(
  folder: string,
  { edits }: { readonly edits: readonly Edit[] },
  main = 'hunt-main.js',
): string {
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(COMPILED, '../node_modules'), join(folder, 'node_modules'))
  for (const part of ['src', 'test/support', 'test/simulated', 'test/wal']) {
    const isCode = (path: string) => !/\.(map|d\.ts)$/.test(path)
    cpSync(join(COMPILED, part), join(folder, part), { recursive: true, filter: isCode })
  }
  for (const edit of edits) apply(join(folder, 'src', edit.file), edit)
  return join(folder, 'test/simulated', main)
}

function apply(path: string, { file, from, to }: Edit): void {
  const code = readFileSync(path, 'utf8')
  const pattern = from
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('\\s+')
  const places = code.match(new RegExp(pattern, 'g'))?.length ?? 0
  if (places !== 1) throw new Error(`the mutation of ${file} fits in ${places} places: ${from}`)
  writeFileSync(
    path,
    code.replace(new RegExp(pattern), () => to),
  )
}
