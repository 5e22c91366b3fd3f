/** Reading the documents and the sources they speak of, for the tests that keep the two together. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))

export interface TextFile {
  /** From the root of the repository. */
  readonly path: string
  readonly text: string
}

/** @param path from the folder docs/ */
export function readDocument(path: string): string {
  return readFileSync(join(REPOSITORY, 'docs', path), 'utf8')
}

export function documents(): TextFile[] {
  return filesBelow('docs', '.md')
}

/** The TypeScript files below these folders. */
export function sourceFiles(...folders: string[]): TextFile[] {
  return folders.flatMap((folder) => filesBelow(folder, '.ts'))
}

function filesBelow(folder: string, extension: string): TextFile[] {
  const names = readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith(extension) && !name.includes('node_modules'))
    .sort()
    .map((name) => ({ path: join(folder, name), text: readFileSync(join(REPOSITORY, folder, name), 'utf8') }))
}

/** The first group of the pattern on each line that it matches. */
export function linesWith(text: string, pattern: RegExp): string[] {
  return text.split('\n').flatMap((line) => pattern.exec(line)?.[1] ?? [])
}

/** The part of a document from a heading to the next one. */
export function section(text: string, heading: string): string {
  const start = text.indexOf(`\n## ${heading}\n`)
  if (start < 0) throw new Error(`there is no section "${heading}"`)
  const end = text.indexOf('\n## ', start + 1)
  return text.slice(start, end < 0 ? undefined : end)
}

/** Rows of the tables in a text whose first two cells are an offset and a field name in backquotes. */
export function offsetsOf(text: string): Record<string, number> {
  const rows = [...text.matchAll(/^\| (\d+) \|[^|]*\| `(\w+)` \|/gm)]
  return Object.fromEntries(rows.map(([, offset, name]) => [name, Number(offset)]))
}
